"""The contract of a cell: a module whose forward is one step of a recurrence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from ostinato.core.state import State


@dataclass(frozen=True)
class Native:
    """The function of libraries that computes the same equations as a cell.

    Attributes:
        function: "lstm", "gru", "rnn_tanh" or "rnn_relu", as in the namespace `torch`; or
            "slstm", which torch has not, with its gates in the order i, f, z, o.
        weights: its weights in torch's order: input, state[, two biases][, projection].
        biased: whether the two biases are among them.
    """

    function: str
    weights: tuple[Tensor, ...]
    biased: bool

    @staticmethod
    def of_linears(
        function: str, input: nn.Module, recur: nn.Module, project: nn.Module | None = None
    ) -> Native | str:
        """The torch function over the weights of plain linear maps.

        A map that was replaced, e.g. by a normalised one, has other equations: that is the
        reason returned. One bias of the two that torch wants may be missing.
        """
        maps = [input, recur] if project is None else [input, recur, project]
        linears = [linear for linear in maps if isinstance(linear, nn.Linear)]
        if len(linears) < len(maps):
            known = "" if hasattr(torch, function) else f"torch has no {function}, and "
            other = "takes plain linear maps; a map of this cell is none"
            return f"{known}a library's {function} {other}"
        if any(linear._forward_hooks or linear._forward_pre_hooks for linear in linears):
            return f"torch.{function} would not call the hook on a map of this cell"
        weights = [linear.weight for linear in linears]
        absent = linears[0].weight.new_zeros(linears[0].out_features)
        biases = [absent if linear.bias is None else linear.bias for linear in linears[:2]]
        biased = any(bias is not absent for bias in biases)
        if biased:
            weights[2:2] = biases
        return Native(function, tuple(weights), biased)


class Cell(nn.Module):
    """One step of a recurrence, h_t = f(x_t, h_{t−1}).

    A subclass defines `initial_state(batch_size)` and `forward(x, state)`, which returns the
    output and the new state. The state is any tree of tensors, each leaf (B, ...); the output
    may be a leaf of it or anything else. Example:

        class Leaky(ost.Cell):
            def __init__(self, input_size, hidden_size):
                super().__init__()
                self.hidden_size = hidden_size
                self.input = nn.Linear(input_size, hidden_size)

            def initial_state(self, batch_size):
                return self.zeros(batch_size, self.hidden_size)

            def forward(self, x, h):                    # x (B, D), h (B, H)
                h = 0.9 * h + 0.1 * torch.tanh(self.input(x))
                return h, h                             # output, new state

    Randomness is an input: a cell that draws noise overrides `sample_noise` and receives, as
    the third argument of `forward`, the noise of that step. Without it, forward computes the
    expectation. So a step is a pure function, the same in training and evaluation.
    """

    def initial_state(self, batch_size: int) -> State:
        """The state before the first step; each leaf (batch_size, ...)."""
        raise NotImplementedError(
            f"{type(self).__name__} defines no initial_state(batch_size). Return a tree of "
            "tensors with the batch first, e.g. self.zeros(batch_size, self.hidden_size)."
        )

    def forward(self, x: Any, state: State) -> tuple[Any, State]:
        """Compute one step.

        Args:
            x: input of the step, (B, D) or a tree of tensors (B, ...).
            state: the state before it.

        Returns:
            The output of the step and the state after it.
        """
        raise NotImplementedError(
            f"{type(self).__name__} defines no forward(x, state) -> (output, new_state)."
        )

    def sample_noise(
        self, batch_size: int, steps: int, generator: Generator | None = None
    ) -> State | None:
        """Draw the noise of a whole sequence; None for a cell that uses none.

        Args:
            batch_size: B.
            steps: T.
            generator: where randomness comes from; None: torch's default generator.

        Returns:
            A tree with leaves (T, B, ...).
        """
        return None

    def native(self) -> Native | str:
        """The function with the same equations, torch's as a rule, or why there is none."""
        return f"torch has no module with the equations of {type(self).__name__}"

    def zeros(self, *shape: int) -> Tensor:
        """Zeros with the dtype and on the device of the cell's parameters."""
        tensors = (*self.parameters(), *self.buffers())
        like = next((t for t in tensors if t.is_floating_point()), torch.empty(0))
        return like.new_zeros(shape)


def take_step(cell: nn.Module, x: Any, state: State, noise: State | None) -> tuple[Any, State]:
    """One step with or without noise: a cell that draws none has no third argument."""
    if noise is None:
        output, new_state = cell(x, state)
    else:
        output, new_state = cell(x, state, noise)
    return output, new_state
