"""The chunk engine: cells with a matrix for a state, many steps at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import Doubt
from ostinato.core.sequence import zero_padding
from ostinato.core.state import State, rows_like
from ostinato.engines.chunk.matrix_cell import Factors, MatrixCell
from ostinato.engines.chunk.matrix_scan import matrix_scan


class Chunk:
    """Run a `MatrixCell` in chunks of steps."""

    name = "chunk"
    summary = "matrix states with decay and delta updates, chunks of steps as products"
    rank = 6

    def decline(self, recurrence: Recurrence) -> str | None:
        """Why the recurrence is not one of a matrix state, or None."""
        cell = recurrence.cell
        if not isinstance(cell, MatrixCell) or type(cell).forward is not MatrixCell.forward:
            return "the step is not a MatrixCell alone, which says what it does to a matrix"
        if any(map(_hooked, cell.modules())):
            return "hooks on a module of the step would run once, not at every step"
        return _unsupported(recurrence)

    def hesitate(self, recurrence: Recurrence) -> Doubt | None:
        """Never."""
        return None

    def run(self, recurrence: Recurrence) -> tuple[State, Any]:
        """The last carry and the outputs (T, B, H·V)."""
        cell, xs, valid = recurrence.cell, recurrence.xs, recurrence.valid
        assert isinstance(cell, MatrixCell)
        if valid is not None:
            xs = zero_padding(xs, valid)
        flat = cell.factors(xs.flatten(0, 1))
        steps = flat.map(lambda f: torch.unflatten(f, 0, xs.shape[:2]))
        if valid is not None:
            # Without decay, erasing and writing the state stays as it is.
            steps = steps.map(lambda f: f.masked_fill(~rows_like(valid, f), 0))
        o, last = _scan(steps, recurrence)
        y = o if steps.skip is None else o + steps.skip
        return last, y.flatten(-2)


def _scan(steps: Factors, recurrence: Recurrence) -> tuple[Tensor, Tensor]:
    """o (T, B, H, V) and the last state."""
    rows = steps._replace(skip=None).map(lambda f: f.transpose(0, 1))
    if recurrence.reverse:
        rows = rows.map(lambda f: f.flip(1))
    # The updates of a step follow one another in time.
    rows = rows.map(lambda f: f if f.dim() == 4 else f.flatten(1, 2))
    borders, state = None, recurrence.init
    if recurrence.restart is not None:
        borders, state = _sequences(recurrence)
        rows = rows.map(lambda f: f.flatten(0, 1)[None])
    o, last = matrix_scan(*rows[:5], 1.0, state, True, borders)
    assert last is not None
    if borders is not None:
        o = torch.unflatten(o[0], 0, (-1, recurrence.steps))
        last = last[torch.searchsorted(borders, _row_ends(recurrence)) - 1]
    o = o.transpose(0, 1)
    return (o.flip(0) if recurrence.reverse else o), last


def _sequences(recurrence: Recurrence) -> tuple[Tensor, Tensor]:
    """Rows with restarts as sequences end to end: their borders, and the state of each."""
    assert recurrence.restart is not None
    restart = recurrence.restart.T.flip(1) if recurrence.reverse else recurrence.restart.T
    begins = restart.clone()
    begins[:, 0] = True
    row, step = begins.nonzero(as_tuple=True)
    starts = row * recurrence.steps + step
    borders = torch.cat([starts, starts.new_tensor([begins.numel()])])
    again = restart[row, step]
    fresh, init = recurrence.fresh[row], recurrence.init[row]
    state = torch.where(rows_like(again, init), fresh, init)
    return borders, state


def _row_ends(recurrence: Recurrence) -> Tensor:
    rows = torch.arange(1, len(recurrence.init) + 1, device=recurrence.init.device)
    return rows * recurrence.steps


def _unsupported(recurrence: Recurrence) -> str | None:
    """What about the call, not the cell, stands in the way."""
    state, x = recurrence.init, recurrence.xs
    if not isinstance(x, Tensor) or x.dim() != 3 or x.shape[1] != len(state):
        return "the input is not one tensor (T, B, D) with the rows of the state"
    if state.dtype not in (torch.float32, torch.float64):
        return "the state must be float32 or float64"
    if recurrence.steps == 0 or not len(state):
        return "there are no steps, or no rows"
    if recurrence.checkpoint is not None:
        return "it keeps the states at the borders of chunks, and no others can be asked for"
    if torch.is_autocast_enabled(state.device.type):
        return "under autocast the precision changes inside the step"
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return "torch.func transforms need a step of torch operations"
    if torch.autograd.forward_ad._current_level >= 0:
        return "forward mode needs a step of torch operations"
    return None


def _hooked(module: torch.nn.Module) -> bool:
    hooks = (module._forward_hooks, module._forward_pre_hooks)
    return any((*hooks, module._backward_hooks, module._backward_pre_hooks))
