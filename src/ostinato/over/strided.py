"""A layer over every s-th step: y_t reads the state of step t − s.

The s interleaved sequences know nothing of each other, so the stride is folded into the batch: the
layer inside runs over s times as many rows of T/s steps.

Source: Lim, Zhu, Selfridge & Kasim 2024, "Parallelizing non-linear sequential models over the
sequence length", ICLR, arXiv 2309.12252: the shift of their general recurrence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from ostinato.core.errors import ArgumentError
from ostinato.core.recurrence import count_steps
from ostinato.core.sequence import valid_steps
from ostinato.core.state import State, leaves, map_state, rows_like, select
from ostinato.over.layer import Options, SequenceLayer, batch_size

__papers__ = ("deer",)


class Strided(SequenceLayer):
    """Run a layer on every s-th step: y_t, h_t = cell(x_t, h_{t−s}).

        layer = Strided(ost.RNN(GRUCell(64, 8)), 16)
        y, state = layer(x)                        # x (B, T, 64), y (B, T, 8)

    The state holds the s states that the next s steps read, the next first: leaves (B, s, ...).
    After a reset all of them are fresh. Around a layer that runs against time outputs are those of
    every s-th step too, but the state has no next step to go on with.

    Args:
        layer: what runs on each of the interleaved sequences.
        stride: s.

    Raises:
        ArgumentError: if the stride is below 1.
    """

    def __init__(self, layer: SequenceLayer, stride: int) -> None:
        super().__init__()
        if stride < 1:
            raise ArgumentError(f"stride must be at least 1; got {stride}.")
        self.layer, self.stride = layer, stride

    def initial_state(self, batch_size: int) -> State:
        """That of the layer inside, once for each of the next steps, leaves (B, s, ...)."""
        return self._slots(self.layer.initial_state(batch_size * self.stride))

    def sample_noise(
        self, batch_size: int, steps: int, generator: Generator | None = None
    ) -> State | None:
        """The noise of whole sequences, leaves (T, B, ...); None if there is none."""
        rows, short = batch_size * self.stride, -(-steps // self.stride)
        noise = self.layer.sample_noise(rows, short, generator)
        if noise is None:
            return None
        moved = map_state(lambda leaf: leaf.transpose(0, 1), noise)
        return map_state(lambda leaf: leaf.transpose(0, 1), self._unfold(moved, steps))

    def run(self, x: Any, state: State | None, options: Options) -> tuple[Any, ...]:
        """Run over x (B, T, ...); returns outputs, state[, states]."""
        rows, steps = batch_size(x), count_steps(x, 1)
        fresh = self.initial_state(rows)
        slots = fresh if state is None else state
        folded = map_state(lambda leaf: leaf.flatten(0, 1), slots)
        y, last, *more = self.layer.run(self._fold(x), folded, self._options(options, rows, steps))
        reset = _last_reset(options.resets, rows, steps, leaves(x)[0].device)
        length = _lengths(options, rows, steps, reset.device)
        # The slot of the next step is that of phase `length` mod s.
        turn = (length[:, None] + torch.arange(self.stride, device=length.device)) % self.stride
        new = map_state(lambda leaf: _take(leaf, turn), self._slots(last))
        read = length[:, None] - self.stride + torch.arange(self.stride, device=length.device)
        results = [self._unfold(y, steps), _renew(read < reset[:, -1:], fresh, new)]
        if more:
            after = self._unfold(more[0], steps)
            results.append(self._windows(slots, fresh, after, length, reset))
        return tuple(results)

    def step(
        self, x: Any, state: State | None = None, noise: State | None = None
    ) -> tuple[Any, State]:
        """Run one step of a stream; see `SequenceLayer.step`."""
        slots = self.initial_state(batch_size(x)) if state is None else state
        y, new = self.layer.step(x, map_state(lambda leaf: leaf[:, 0], slots), noise)
        moved = map_state(lambda old, h: torch.cat([old[:, 1:], h[:, None]], 1), slots, new)
        return y, moved

    def extra_repr(self) -> str:
        """The stride, for `print`."""
        return f"stride={self.stride}"

    def _options(self, options: Options, rows: int, steps: int) -> Options:
        """The options of the folded sequences."""
        short, phase, folded = -(-steps // self.stride), torch.arange(self.stride), options
        if options.lengths is not None or steps % self.stride:
            length = _lengths(options, rows, steps, torch.device("cpu"))
            left = length[:, None] - phase + self.stride - 1
            folded = replace(folded, lengths=left.div(self.stride, rounding_mode="floor").flatten())
        if options.resets is not None:
            # A sequence of every s-th step begins anew at its first step from the reset on.
            since = F.pad(options.resets.float(), (self.stride - 1, -steps % self.stride))
            near = since.unfold(1, self.stride, 1).amax(-1) > 0
            near = near.reshape(rows, short, self.stride).transpose(1, 2).flatten(0, 1)
            folded = replace(folded, resets=near)
        if options.noise is not None:
            moved = map_state(lambda leaf: leaf.transpose(0, 1), options.noise)
            noise = map_state(lambda leaf: leaf.transpose(0, 1), self._fold(moved))
            folded = replace(folded, noise=noise)
        return folded

    def _fold(self, tree: Any) -> Any:
        """Leaves (B, T, ...) as (B·s, ⌈T/s⌉, ...), padded with zeros."""

        def fold(leaf: Tensor) -> Tensor:
            missing = -leaf.shape[1] % self.stride
            padding = leaf.new_zeros(len(leaf), missing, *leaf.shape[2:])
            whole = torch.cat([leaf, padding], 1) if missing else leaf
            short = whole.shape[1] // self.stride
            phases = whole.reshape(len(leaf), short, self.stride, *leaf.shape[2:])
            return phases.transpose(1, 2).flatten(0, 1)

        return map_state(fold, tree)

    def _unfold(self, tree: Any, steps: int) -> Any:
        """The inverse of `_fold`."""

        def unfold(leaf: Tensor) -> Tensor:
            return _parted(leaf, self.stride).transpose(1, 2).flatten(1, 2)[:, :steps]

        return map_state(unfold, tree)

    def _slots(self, state: State) -> State:
        return map_state(lambda leaf: _parted(leaf, self.stride), state)

    def _windows(
        self, slots: State, fresh: State, after: State, length: Tensor, reset: Tensor
    ) -> State:
        """The slots after every step, leaves (B, T, s, ...), from the states after single steps."""
        steps, device = reset.shape[1], reset.device
        count = torch.minimum(torch.arange(1, steps + 1, device=device), length[:, None])
        place = count[..., None] + torch.arange(self.stride, device=device)  # (B, T, s)
        stale = place - self.stride < reset[..., None]

        def window(before: Tensor, every: Tensor, new: Tensor) -> Tensor:
            found = _take(torch.cat([before, every], 1), place.flatten(1))
            found = found.reshape(*place.shape, *found.shape[2:])
            return torch.where(rows_like(stale, found), new[:, None], found)

        return map_state(window, slots, after, fresh)


def _lengths(options: Options, rows: int, steps: int, device: torch.device) -> Tensor:
    """(B,) valid steps."""
    if options.lengths is None:
        return torch.full((rows,), steps, device=device)
    lengths = torch.as_tensor(options.lengths).to(device)
    return valid_steps(lengths, rows, steps).sum(0)


def _last_reset(resets: Tensor | None, rows: int, steps: int, device: torch.device) -> Tensor:
    """(B, T), the last reset up to each step; far before the first step where there was none."""
    never = torch.full((rows, max(steps, 1)), -(2**62), device=device)
    if resets is None or not steps:
        return never
    times = torch.arange(steps, device=device)
    return torch.where(resets.to(device), times, never).cummax(1).values


def _take(leaf: Tensor, places: Tensor) -> Tensor:
    """Leaves (B, n, ...) at places (B, m): (B, m, ...)."""
    return leaf[torch.arange(len(leaf), device=leaf.device)[:, None], places]


def _renew(stale: Tensor, fresh: State, state: State) -> State:
    """Fresh slots (B, s, ...) where they are stale (B, s)."""
    flat = (map_state(lambda leaf: leaf.flatten(0, 1), tree) for tree in (fresh, state))
    chosen = select(stale.flatten(), *flat)
    return map_state(lambda leaf: _parted(leaf, stale.shape[1]), chosen)


def _parted(leaf: Tensor, stride: int) -> Tensor:
    """(B·s, ...) as (B, s, ...)."""
    return leaf.reshape(len(leaf) // stride, stride, *leaf.shape[1:])
