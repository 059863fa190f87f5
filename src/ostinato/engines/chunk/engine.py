"""The chunk engine: cells with a matrix for a state, many steps at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import Doubt
from ostinato.core.sequence import join_tokens, split_tokens, zero_padding
from ostinato.core.state import State, index, leaves, map_state, select
from ostinato.engines.chunk.all_steps import AllSteps
from ostinato.engines.chunk.matrix_cell import MatrixCell


class Chunk:
    """Run a `MatrixCell` in chunks of steps; in low precision the state between them is float32.

    Attributes:
        backend: of `matrix_scan`.
    """

    name = "chunk"
    summary = "matrix states with decay and delta updates, chunks of steps as products"
    rank = 6
    backend: str | None = None

    def decline(self, recurrence: Recurrence) -> str | None:
        """Why the recurrence is not one of a matrix state, or None."""
        if _matrices(recurrence) is None:
            return "the step is not a MatrixCell alone, which says what it does to a matrix"
        if recurrence.cell is not None and any(map(_hooked, recurrence.cell.modules())):
            return "hooks on a module of the step would run once, not at every step"
        return _unsupported(recurrence)

    def hesitate(self, recurrence: Recurrence) -> Doubt | None:
        """On the CPU a generated loop is faster where matrices are small."""
        on_cpu = leaves(recurrence.init)[0].device.type == "cpu"
        cell = _matrices(recurrence)
        if cell is None or not on_cpu:
            return None
        if cell.key_size * cell.value_size < cell.chunks_from[torch.is_grad_enabled()]:
            return Doubt("the matrices are so small that a loop on the CPU is as fast", 4)
        return None

    def capture(self, recurrence: Recurrence) -> str:
        """Why a layer on it is no part of a graph of `torch.compile`."""
        return "of matrix states only ost.matrix_scan, or all_steps of the cell, can be"

    def run(self, recurrence: Recurrence) -> tuple[State, Any]:
        """The last carry and the outputs (T, B, H·V)."""
        cell: Any = recurrence.cell
        xs, valid = recurrence.xs, recurrence.valid
        if valid is not None:
            xs, valid = zero_padding(xs, valid).transpose(0, 1), valid.T
        else:
            xs = xs.transpose(0, 1)
        if recurrence.reverse:
            xs, valid = xs.flip(1), None if valid is None else valid.flip(1)
        if recurrence.restart is None:
            y, last = cell.all_steps(xs, valid, recurrence.init, self.backend)
        else:
            y, last = _apart(cell, xs, valid, recurrence, self.backend)
        y = y.transpose(0, 1)
        last = map_state(lambda leaf, first: leaf.to(first.dtype), last, recurrence.init)
        return last, y.flip(0) if recurrence.reverse else y


def _apart(
    cell: AllSteps,
    xs: Tensor,
    valid: Tensor | None,
    recurrence: Recurrence,
    backend: str | None,
) -> tuple[Tensor, State]:
    """Outputs (B, T, ...) and last state, with each restart beginning a row of its own."""
    assert recurrence.restart is not None
    restart = recurrence.restart.T.flip(1) if recurrence.reverse else recurrence.restart.T
    begins = restart.clone()
    begins[:, 0] = True
    row, step = begins.nonzero(as_tuple=True)
    borders = F.pad(row * recurrence.steps + step, (0, 1), value=begins.numel())
    again = restart[row, step]
    fresh, init = index(recurrence.fresh, row), index(recurrence.init, row)
    padded, lengths, position = split_tokens(xs.flatten(0, 1)[None], borders)
    if valid is None:
        there = torch.arange(padded.shape[1], device=xs.device) < lengths[:, None]
    else:
        there = split_tokens(valid.reshape(1, -1), borders)[0]
    y, last = cell.all_steps(padded, there, select(again, fresh, init), backend)
    # The sequence with which a row ends stands before that with which the next begins.
    final = torch.cat([row[1:] != row[:-1], again.new_ones(1)])
    return torch.unflatten(join_tokens(y, position)[0], 0, xs.shape[:2]), index(last, final)


def _matrices(recurrence: Recurrence) -> MatrixCell | None:
    """The cell that declares its step, itself or behind a wrapper."""
    cell: Any = recurrence.cell
    return cell.matrices() if isinstance(cell, AllSteps) else None


def _unsupported(recurrence: Recurrence) -> str | None:
    """What about the call, not the cell, stands in the way."""
    state, x = leaves(recurrence.init)[0], recurrence.xs
    if not isinstance(x, Tensor) or x.dim() != 3 or x.shape[1] != len(state):
        return "the input is not one tensor (T, B, D) with the rows of the state"
    if not (state.is_floating_point() and x.is_floating_point()):
        return "state and input must be real numbers"
    if recurrence.steps == 0 or not len(state):
        return "there are no steps, or no rows"
    if recurrence.checkpoint is not None:
        return "it keeps the states at the borders of chunks, and no others can be asked for"
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return "torch.func transforms need a step of torch operations"
    if torch.autograd.forward_ad._current_level >= 0:
        return "forward mode needs a step of torch operations"
    return None


def _hooked(module: torch.nn.Module) -> bool:
    hooks = (module._forward_hooks, module._forward_pre_hooks)
    return any((*hooks, module._backward_hooks, module._backward_pre_hooks))
