"""Time two sides in turn, so that what disturbs the machine disturbs both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles

import torch
from torch import nn

from ostinato.bench.cases import Contest
from ostinato.bench.peers import corresponding
from ostinato.experiments.stopwatch import seconds

Work = Callable[[], object]
MODES = ("forward", "forward+backward")
# Samples shorter than this say more about the clock and the scheduler.
_SAMPLE_SECONDS = 0.02


@dataclass(frozen=True)
class Timing:
    """Two sides in milliseconds.

    Attributes:
        ratio: median over the repeats of peer / ours, each of two neighbouring samples.
        spread: lower and upper quartile of these.
        ours_ms: median.
        peer_ms: median.
    """

    ratio: float
    spread: tuple[float, float]
    ours_ms: float
    peer_ms: float


def time_contest(contest: Contest, mode: str, repeats: int) -> Timing:
    """Time both sides in one of `MODES`.

    Args:
        contest: both sides; that they agree is not checked here.
        mode: "forward" is evaluation without gradient; with "+backward", the gradients of the
            input and of all parameters.
        repeats: pairs of samples.
    """
    return compare(work(contest, contest.ours, mode), work(contest, contest.peer, mode), repeats)


def work(contest: Contest, module: nn.Module, mode: str) -> Work:
    """One pass of one side, with the module in the state that the mode wants."""
    module.train(mode != "forward")
    wanted = [contest.x, *corresponding(module)]

    def forward() -> object:
        with torch.no_grad():
            return module(contest.x)

    def both() -> object:
        return torch.autograd.grad(module(contest.x)[0], wanted, contest.cotangent)

    return awaited(forward if mode == "forward" else both, contest.x.device)


def awaited(side: Work, device: torch.device) -> Work:
    """A pass that ends when the device is done, not when all is queued."""
    if device.type == "cpu":
        return side

    def waiting() -> object:
        result = side()
        torch.accelerator.synchronize(device)
        return result

    return waiting


def compare(ours: Work, peer: Work, repeats: int) -> Timing:
    """Time two sides in turn, each sample as many passes as make it long enough."""
    passes = [_passes(side) for side in (ours, peer)]
    samples = []
    for repeat in range(repeats):
        # Alternate who comes first: the second finds another cache.
        order = (0, 1) if repeat % 2 else (1, 0)
        pair = {i: seconds((ours, peer)[i], passes=passes[i]) for i in order}
        samples.append((pair[0], pair[1]))
    ratios = [b / a for a, b in samples]
    return Timing(
        ratio=median(ratios),
        spread=_quartiles(ratios),
        ours_ms=1e3 * median(a for a, _ in samples),
        peer_ms=1e3 * median(b for _, b in samples),
    )


def _passes(side: Work) -> int:
    """How many passes make a sample; the first one compiles and is not counted."""
    side()
    return max(1, round(_SAMPLE_SECONDS / seconds(side)))


def _quartiles(values: list[float]) -> tuple[float, float]:
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = quantiles(values, n=4, method="inclusive")
    return low, high
