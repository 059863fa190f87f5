"""What a pass has to do at least: bytes that go through memory, and operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ostinato.bench.measure import MODES
from ostinato.bench.sweep.entry import Question, Spot
from ostinato.bench.sweep.nets import build, inputs, width
from ostinato.core.cell import Cell
from ostinato.over.time import RNN


@dataclass(frozen=True)
class Least:
    """The least that a pass does.

    Attributes:
        traffic: bytes: x, y and the weights once forward; with the gradient x and y are read
            again, the cotangent is read too, and gradients of x and weights are written.
        operations: of the equations, each step as the reference computes it; a function such as
            exp counts as one.
    """

    traffic: float
    operations: float


def least(question: Question) -> Least:
    """Of one pass."""
    spot, times = question.spot, 1 if question.mode == MODES[0] else 3
    cell = build(spot)
    x = spot.batch * spot.steps * width(cell)
    y = spot.batch * spot.steps * spot.hidden
    weights = sum(parameter.numel() for parameter in cell.parameters())
    # Where numbers are narrow, to change their width is no part of the equations.
    each = _of_a_step(replace(spot, steps=1, dtype="float32"), question.mode)
    numbers = times * (x + y + weights)
    return Least(1.0 * spot.numbers.itemsize * numbers, each * spot.steps)


@cache
def _of_a_step(spot: Spot, mode: str) -> float:
    """Operations of one step, as the second adds it: the first has no gradient of its state."""
    one, two = (_counted(replace(spot, steps=steps), mode) for steps in (1, 2))
    return float(two - one)


def _counted(spot: Spot, mode: str) -> int:
    cell = build(spot)
    x, cotangent = inputs(spot, cell, "cpu")
    assert isinstance(cell, Cell)
    with _Operations() as operations:
        y = RNN(cell, "reference")(x)[0]
        if mode != MODES[0]:
            torch.autograd.grad(y, [x, *cell.parameters()], cotangent)
    return int(operations.count)


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts those of products as torch does, and one for each number of a pointwise result."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        formula: Callable[..., int] | None = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.count += formula(*args, **(kwargs or {}), out_val=result)
        elif torch.Tag.pointwise in func.tags and isinstance(result, torch.Tensor):
            self.count += result.numel()
        return result
