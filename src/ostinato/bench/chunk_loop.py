"""How many times as fast as the plain loop over steps compiled chunks are, operation for operation.

Both sides get the same q, k, v, g and β: no projection is timed. The loop is what the engine
`reference` does with a matrix state, a few torch operations a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ostinato.bench.chunk_kinds import KINDS, by_steps, check, drawn, leaves
from ostinato.bench.machine import Company, crowded
from ostinato.bench.measure import MODES, compare
from ostinato.engines.chunk.recurrence import chunk_size, recur
from ostinato.engines.chunk.steps import Steps
from ostinato.train.run import threads

# B, T and heads of the layers that are timed beside the loop.
SIZES = ((1, 1024, 2), (8, 512, 4))

_Form = Callable[[Steps, Tensor], tuple[Tensor, Tensor]]


class Gain(NamedTuple):
    """One line of the table.

    Attributes:
        kind: of `KINDS`.
        width: K = V.
        batch: B.
        steps: T.
        heads: H.
        way: of `MODES`.
        gain: the time of the loop over that of chunks.
        milliseconds: of chunks, median.
        crowded: whether others took the core.
    """

    kind: str
    width: int
    batch: int
    steps: int
    heads: int
    way: str
    gain: float
    milliseconds: float
    crowded: bool


def gains(name: str, width: int, size: tuple[int, int, int], repeats: int) -> Iterator[Gain]:
    """Chunks and the loop in turn, on one thread, without gradients and with all of them.

    Args:
        name: of `KINDS`.
        width: K = V.
        size: B, T and H.
        repeats: pairs of samples behind each number.

    Raises:
        OstinatoError: if chunks do not compute what single steps do.
    """
    kind, (batch, steps, heads) = KINDS[name], size
    check(name, width, chunk_size(steps, kind.updates))
    given, state = drawn(kind, batch, steps, heads, width)
    for way in MODES:
        company = Company()
        with threads(1):
            ours, loop = (_work(form, given, state, way) for form in (recur, by_steps))
            timing = compare(ours, loop, repeats)
        busy = crowded(1, company.cores())
        yield Gain(name, width, *size, way, timing.ratio, timing.ours_ms, busy)


def _work(form: _Form, given: Steps, state: Tensor, way: str) -> Callable[[], object]:
    wanted = leaves(given)
    cotangents = torch.randn_like(given.q), torch.randn_like(state)

    def forward() -> object:
        with torch.no_grad():
            return form(given, state)

    def both() -> object:
        return torch.autograd.grad(form(given, state), wanted, cotangents)

    return forward if way == MODES[0] else both
