"""One question answered: the gate, the memory, the clock; whatever fails becomes a note."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.bench.measure import MODES
from ostinato.bench.sweep.clock import median_ms, peak_bytes
from ostinato.bench.sweep.entry import DECLINES, Entry, Question, Spot
from ostinato.bench.sweep.nets import build, inputs
from ostinato.bench.sweep.sides import NEWTON, Side, exact, side
from ostinato.core.errors import EngineError
from ostinato.engines.parallel.newton import Outcome, Solve
from ostinato.engines.parallel.solves import newton

# Peers that multiply in bfloat16 stay below; what is wrong does not. Where all is rounded to
# bfloat16, gradients of the loop itself are off by up to 2.7e-2.
_BOUNDS = {"float32": 3e-2, "float16": 3e-2, "bfloat16": 6e-2}


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
    except EngineError as error:
        entry = Entry(question, note=f"{DECLINES}{str(error).splitlines()[0][:300]}")
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
    module = build(question.spot).to(device)
    run = side(module, question.engine)
    with newton(**NEWTON.get(question.engine, {})) as solves:
        parts = _errors(question, run, module, device)
        error = float(torch.tensor(list(parts.values()), dtype=torch.float64).max())
        # Written so that NaN is an error.
        if not all(each <= _BOUNDS[question.spot.dtype] for each in parts.values()):
            return Entry(question, error=error, note=f"wrong: off by {error:.1e}", parts=parts)
        given = inputs(question.spot, module, device)
        work = partial(_results, run, module, *given, question.mode)
        solves.clear()
        # Compiled and with its buffers in place before memory is looked at.
        work()
        found = list(solves)
        peak = peak_bytes(work, given[0].device)
        ms = median_ms(work, given[0].device, repeats, limit)
    iterations = max((solve.iterations for solve in found), default=None)
    return Entry(question, ms, peak, error, _unsolved(found), None, iterations, parts)


def _unsolved(solves: Sequence[Solve]) -> str:
    failed = sum(solve.outcome is not Outcome.CONVERGED for solve in solves)
    return f"{failed} of {len(solves)} windows were not solved" if failed else ""


def _errors(question: Question, run: Side, module: nn.Module, device: str) -> dict[str, float]:
    """How far outputs and gradients of the first steps are from exact ones; of weights the most."""
    spot, check = question.spot, exact(module)
    rows = spot.batch if check.rows is None else min(spot.batch, check.rows)
    few = replace(spot, steps=min(spot.steps, check.steps), batch=rows)
    found = _results(run, module, *inputs(few, module, device), question.mode)
    pairs = zip(found, _exact(few, device, question.mode), strict=True)
    off = dict[str, float]()
    for index, (a, b) in enumerate(pairs):
        for name, *both in _named(index, module, a, b):
            # A comparison with NaN would drop it.
            off[name] = float(torch.tensor([off.get(name, 0.0), _distance(*both)]).max())
    return off


def _named(index: int, module: nn.Module, *pair: Tensor) -> Iterator[tuple[Any, ...]]:
    """A result and the exact one under the name of what they are, or part by part."""
    widths: Mapping[str, int] = getattr(module, "parts", {})
    if index != 1 or not widths:
        yield ("y", "x", "weights")[min(index, 2)], *pair
        return
    split = (torch.split(each, list(widths.values()), -1) for each in pair)
    yield from zip(widths, *split, strict=True)


def _distance(found: Tensor, right: Tensor) -> float:
    """Relative to what is right, in its precision."""
    return float((found - right).norm() / right.norm().clamp(min=1e-30))


# All engines of a size ask for the same, mode by mode.
@lru_cache(maxsize=len(MODES))
def _exact(spot: Spot, device: str, mode: str) -> list[Tensor]:
    """In float64, with the weights and inputs as they are rounded."""
    module = build(spot).to(device)
    x, cotangent = (each.detach().double() for each in inputs(spot, module, device))
    run = side(module.double(), exact(module).side)
    return _results(run, module, x.requires_grad_(), cotangent, mode)


def _results(run: Side, module: nn.Module, x: Tensor, cotangent: Tensor, mode: str) -> list[Tensor]:
    """y, and with the gradient those of x and of the weights that are learned."""
    if mode == MODES[0]:
        with torch.no_grad():
            return [run(x)]
    y = run(x)
    wanted = [x, *(each for each in module.parameters() if each.requires_grad)]
    return [y.detach(), *torch.autograd.grad(y, wanted, cotangent)]
