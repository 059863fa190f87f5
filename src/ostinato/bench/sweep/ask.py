"""One question answered: the gate, the memory, the clock; whatever fails becomes a note."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from ostinato.bench.measure import MODES, Work
from ostinato.bench.sweep.clock import median_ms, peak_bytes
from ostinato.bench.sweep.entry import Entry, Question, Spot
from ostinato.bench.sweep.nets import build, inputs
from ostinato.core.cell import Cell
from ostinato.core.errors import EngineError
from ostinato.engines.parallel.newton import Outcome
from ostinato.engines.parallel.solves import newton
from ostinato.over.time import RNN

# Peers that multiply in bfloat16 stay below; what is wrong does not. Where all is rounded to
# bfloat16, gradients of the loop itself are off by up to 2.7e-2.
_BOUNDS = {"float32": 3e-2, "float16": 3e-2, "bfloat16": 6e-2}
CHECKED_STEPS = 256


def settle_precision(precision: str) -> None:
    """Of products in float32 in this process, as torch names it, for everybody alike."""
    torch.set_float32_matmul_precision(precision)
    # Or cuDNN would round where nobody else does.
    torch.backends.cudnn.allow_tf32 = precision != "highest"


def ask(question: Question, device: str, repeats: int, limit: float) -> Entry:
    """Measure.

    Args:
        question: what.
        device: where.
        repeats: passes that are timed.
        limit: seconds after which no further pass begins.

    Raises:
        EngineError: if the device is of no more use in this process.
    """
    where = torch.device(device)
    try:
        return _answer(question, device, repeats, limit)
    except torch.OutOfMemoryError:
        entry = Entry(question, note="out of memory")
    # Peers and compilers raise what they like, and the other rows do not depend on it.
    except Exception as error:
        told = str(error).strip() or type(error).__name__
        entry = Entry(question, note=told.splitlines()[0][:300])
    if where.type == "cuda":
        _check_device(entry.note)
    return entry


def _check_device(note: str) -> None:
    """Raise if the device answers this process nothing more, as after some errors.

    Raises:
        EngineError: with what came before.
    """
    try:
        torch.cuda.empty_cache()
        torch.cuda.synchronize()
    except RuntimeError as error:
        raise EngineError(note) from error


def _answer(question: Question, device: str, repeats: int, limit: float) -> Entry:
    cell = build(question.spot).to(device)
    error = _error(question, cell, device)
    # Written so that NaN is an error.
    if not error <= _BOUNDS[question.spot.dtype]:
        return Entry(question, error=error, note=f"wrong: off by {error:.1e}")
    x, cotangent = inputs(question.spot, cell, device)
    work = _pass(RNN(cell, question.engine), x, cotangent, question.mode)
    with newton() as solves:
        # Compiled and with its buffers in place before memory is looked at.
        work()
    failed = sum(solve.outcome is not Outcome.CONVERGED for solve in solves)
    note = f"{failed} of {len(solves)} windows were not solved" if failed else ""
    peak = peak_bytes(work, x.device)
    return Entry(question, median_ms(work, x.device, repeats, limit), peak, error, note)


def _error(question: Question, cell: Cell, device: str) -> float:
    """How far outputs and gradients of the first steps are from exact ones."""
    few = replace(question.spot, steps=min(question.spot.steps, CHECKED_STEPS))
    found = _results(RNN(cell, question.engine), *inputs(few, cell, device), question.mode)
    pairs = zip(found, _exact(few, device, question.mode), strict=True)
    return max(float((a - b).norm() / b.norm().clamp(min=1e-30)) for a, b in pairs)


# All engines of a size ask for the same, mode by mode.
@lru_cache(maxsize=len(MODES))
def _exact(spot: Spot, device: str, mode: str) -> list[Tensor]:
    """Of the loop in float64, with the weights and inputs as they are rounded."""
    cell = build(spot).to(device)
    x, cotangent = (each.detach().double() for each in inputs(spot, cell, device))
    return _results(RNN(cell.double(), "reference"), x.requires_grad_(), cotangent, mode)


def _results(layer: RNN, x: Tensor, cotangent: Tensor, mode: str) -> list[Tensor]:
    if mode == MODES[0]:
        with torch.no_grad():
            return [layer(x)[0]]
    y = layer(x)[0]
    return [y.detach(), *torch.autograd.grad(y, [x, *layer.parameters()], cotangent)]


def _pass(layer: RNN, x: Tensor, cotangent: Tensor, mode: str) -> Work:
    return lambda: _results(layer, x, cotangent, mode)
