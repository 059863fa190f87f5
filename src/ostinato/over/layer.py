"""What every layer over time shares: one call signature, whatever form the sequences come in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Generator, Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ostinato.core.errors import ArgumentError, ShapeError
from ostinato.core.recurrence import count_steps
from ostinato.core.sequence import join_tokens, repack, split_tokens, unpack
from ostinato.core.state import State, leaves, map_state
from ostinato.core.statistics import Statistics, collected


@dataclass(frozen=True)
class Options:
    """How one call is to be run; handed down unchanged through layers of layers.

    Attributes:
        lengths: (B,) valid steps of each row.
        resets: (B, T) bool, true on the first step of a new sequence.
        checkpoint: store the state of every k-th step only (True: k = √T).
        generator: source of the noise that is drawn in training.
        noise: the noise itself, instead of drawing it; a tree with leaves (T, B, ...).
        return_states: also return the states after every step.
    """

    lengths: Tensor | Sequence[int] | None = None
    resets: Tensor | None = None
    checkpoint: bool | int | None = None
    generator: Generator | None = None
    noise: State | None = None
    return_states: bool = False


class SequenceLayer(nn.Module, ABC):
    """A layer that maps sequences to sequences and carries a state; batch first everywhere.

    `RNN`, `Stack` and `Bidirectional` are its forms, and all are called alike, so one can
    stand where another stood.
    """

    def forward(
        self,
        x: Any,
        state: State | None = None,
        lengths: Tensor | Sequence[int] | None = None,
        resets: Tensor | None = None,
        *,
        cu_seqlens: Tensor | None = None,
        checkpoint: bool | int | None = None,
        generator: Generator | None = None,
        noise: State | None = None,
        return_states: bool = False,
        return_stats: bool = False,
    ) -> tuple[Any, ...]:
        """Run over whole sequences.

        Args:
            x: (B, T, D), a tree of such tensors, a `PackedSequence`, or with `cu_seqlens` all
                sequences end to end (1, total, D).
            state: state before the first step, or None for the layer's initial state. Leaves
                (B, ...), with `cu_seqlens` (N, ...).
            lengths: (B,) valid steps of each row. Padding changes no result and no gradient,
                even if it holds NaN; outputs there are zero, and the returned state is that
                after each row's last valid step.
            resets: (B, T) bool, true on the first step of a new sequence inside a row: the
                state is put back to the layer's initial state there.
            cu_seqlens: (N+1,) borders of the N sequences in x.
            checkpoint: store the state of every k-th step only and recompute the steps
                between for the gradient; True: k = √T.
            generator: source of the noise that wrappers draw in training; None: torch's own.
            noise: that noise, given instead of drawn; see `sample_noise`.
            return_states: also return the states after every step, leaves (B, T, ...).
            return_stats: also return the `Statistics` of the call, of all layers together:
                iterations and residual of every window that `engine="parallel"` solved by
                Newton's method.

        Returns:
            Outputs in the form of x, the state after the last step, with `return_states` the
            states of all steps, and with `return_stats` the statistics last.

        Raises:
            ShapeError: if x, state, lengths and resets do not fit together.
            EngineError: if the layer's named engine cannot honour the request.
        """
        options = Options(lengths, resets, checkpoint, generator, noise, return_states)
        if not return_stats:
            return self._run_any(x, state, cu_seqlens, options)
        with collected() as solves:
            result = self._run_any(x, state, cu_seqlens, options)
        return (*result, Statistics(tuple(solves)))

    @abstractmethod
    def run(self, x: Any, state: State | None, options: Options) -> tuple[Any, ...]:
        """Run over x (B, T, ...); returns outputs, state[, states]."""

    @abstractmethod
    def step(
        self, x: Any, state: State | None = None, noise: State | None = None
    ) -> tuple[Any, State]:
        """Run one step of a stream; equal to the same step of a whole sequence.

        Args:
            x: (B, D), or a tree of tensors (B, ...).
            state: what the previous step returned, or None before the first.
            noise: noise of this step, leaves (B, ...); streaming draws none by itself.

        Returns:
            The output of the step and the state after it.
        """

    @abstractmethod
    def initial_state(self, batch_size: int) -> State:
        """The state before the first step, leaves (batch_size, ...)."""

    def sample_noise(
        self, batch_size: int, steps: int, generator: Generator | None = None
    ) -> State | None:
        """Draw the noise of whole sequences, leaves (T, B, ...); None if there is none."""
        return None

    def _run_any(
        self, x: Any, state: State | None, cu_seqlens: Tensor | None, options: Options
    ) -> tuple[Any, ...]:
        if isinstance(x, PackedSequence):
            return self._run_packed(x, state, options)
        if cu_seqlens is not None:
            return self._run_joined(x, state, cu_seqlens, options)
        count_steps(x, 1)
        return self.run(x, state, options)

    def _run_packed(
        self, packed: PackedSequence, state: State | None, options: Options
    ) -> tuple[Any, ...]:
        if options.lengths is not None or options.resets is not None:
            raise ArgumentError(
                "A PackedSequence holds its lengths and cannot be combined with lengths or "
                "resets; pad it first: torch.nn.utils.rnn.pad_packed_sequence."
            )
        x, lengths = unpack(packed)
        y, *rest = self.run(x, state, replace(options, lengths=lengths))
        return map_state(lambda leaf: repack(leaf, packed), y), *rest

    def _run_joined(
        self, x: Tensor, state: State | None, cu_seqlens: Tensor, options: Options
    ) -> tuple[Any, ...]:
        if options.lengths is not None or options.resets is not None:
            raise ArgumentError("cu_seqlens already says where sequences end: drop the others.")
        padded, lengths, position = split_tokens(x, cu_seqlens)
        y, new, *states = self.run(padded, state, replace(options, lengths=lengths))
        joined = map_state(lambda leaf: join_tokens(leaf, position), (y, *states))
        return joined[0], new, *joined[1:]


def batch_size(x: Any) -> int:
    """B of inputs (B, ...).

    Raises:
        ShapeError: if the leaves disagree.
    """
    sizes = [leaf.shape[0] for leaf in leaves(x)]
    if not sizes or any(size != sizes[0] for size in sizes):
        raise ShapeError(f"All inputs need one common batch as first axis; got sizes {sizes}.")
    return sizes[0]
