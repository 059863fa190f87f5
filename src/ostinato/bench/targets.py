"""What was aimed at, beside what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ostinato.bench.cases import CASES
from ostinato.bench.measure import MODES
from ostinato.bench.result import BandwidthRow, CompileRow, Result, Row, geometric_mean

_AUTO = tuple(name for name in CASES if name.startswith("auto-"))
_LOOPED = ("layer-norm-lstm", "peephole-lstm", "leaky", "heads")


@dataclass(frozen=True)
class Target:
    """One number to reach.

    Attributes:
        text: what is measured.
        bound: the number.
        above: whether the measured value has to be at least the bound, or at most.
        choose: the rows that it speaks of; none if they were not all measured.
        reduce: the number that these rows give, or None.
        unit: behind the number.
    """

    text: str
    bound: float
    above: bool
    choose: Callable[[Result], Sequence[Row | CompileRow | BandwidthRow]]
    reduce: Callable[[Any], float | None]
    unit: str = "×"

    @property
    def aim(self) -> str:
        """The bound in words."""
        return f"{'≥' if self.above else '≤'} {self.bound:.3g} {self.unit}"

    def judge(self, result: Result) -> Verdict:
        """Compare with a result."""
        rows = self.choose(result)
        measured = self.reduce(rows) if rows else None
        if measured is None:
            return Verdict(self.text, self.aim, None, "not measured")
        if any(row.crowded for row in rows):
            return Verdict(self.text, self.aim, measured, "machine too busy")
        met = measured >= self.bound if self.above else measured <= self.bound
        return Verdict(self.text, self.aim, measured, "met" if met else "not met")


@dataclass(frozen=True)
class Verdict:
    """A target beside its measurement.

    Attributes:
        text: what is measured.
        aim: the bound.
        measured: the value; None: there is none.
        outcome: "met", "not met", "not measured" or "machine too busy".
    """

    text: str
    aim: str
    measured: float | None
    outcome: str


def verdicts(result: Result) -> list[Verdict]:
    """All targets, in the numbers of threads that were measured."""
    counts = sorted({row.threads for row in result.rows})
    targets = [*(t for count in counts for t in _of_threads(count)), *_COMPILE]
    return [target.judge(result) for target in targets]


def _of_threads(count: int) -> Iterator[Target]:
    forward, training = MODES
    told = f"{count} thread{'s' if count > 1 else ''}"
    for case, peer, mode, bound in (
        ("lstm", "nn.LSTM", forward, 1.0),
        ("lstm", "nn.LSTM", training, 1.3),
        ("gru", "nn.GRU", forward, 2.0),
        ("gru", "nn.GRU", training, 2.0),
    ):
        text = f"{case} / {peer}, {mode}, geometric mean, {told}"
        yield Target(text, bound, True, _chosen((case,), (mode,), count), geometric_mean)
    text = f"lstm / nn.LSTM, every size and mode, the smallest, {told}"
    yield Target(text, 1.0, True, _chosen(("lstm",), MODES, count), _smallest)
    text = f"auto / best applicable engine, the smallest of all, {told}"
    yield Target(text, 1 / 1.05, True, _chosen(_AUTO, MODES, count), _smallest)
    for batch, bound in ((1, 25.0), (32, 4.0)):
        text = f"other cells / loop, {training}, B={batch}, the smallest, {told}"
        choose = _chosen(_LOOPED, (training,), count, batch)
        yield Target(text, bound, True, choose, _smallest)
    text = f"diagonal scan / rate of a copy, {forward}, the smallest, {told}"
    yield Target(text, 0.7, True, _rates("diagonal", forward, count), _smallest_share)


def _chosen(
    cases: tuple[str, ...], modes: tuple[str, ...], count: int, batch: int | None = None
) -> Callable[[Result], list[Row]]:
    """The rows of some cases; none unless every size of theirs was measured."""
    needed = {
        (name, peer, str(size))
        for name in cases
        for peer in CASES[name].peers
        for size in CASES[name].sizes
    }

    def choose(result: Result) -> list[Row]:
        rows = [
            row
            for row in result.rows
            if row.case in cases and row.mode in modes and row.threads == count
        ]
        complete = needed <= {(row.case, row.peer, row.size) for row in rows}
        return [row for row in rows if complete and batch in (None, row.batch)]

    return choose


def _smallest(rows: Sequence[Row]) -> float | None:
    """The smallest ratio; None if one is missing."""
    ratios = [row.ratio for row in rows if row.ratio is not None]
    return min(ratios) if len(ratios) == len(rows) else None


def _rates(kind: str, mode: str, count: int) -> Callable[[Result], list[BandwidthRow]]:
    wanted = (kind, mode, count)
    return lambda result: [r for r in result.bandwidth if (r.kind, r.mode, r.threads) == wanted]


def _smallest_share(rows: Sequence[BandwidthRow]) -> float:
    return min(row.share for row in rows)


def _compiled(*caches: str) -> Callable[[Result], list[CompileRow]]:
    return lambda result: [row for row in result.compile if row.cache in caches]


def _slowest(rows: Sequence[CompileRow]) -> float:
    return max(row.next for row in rows)


def _dependence(rows: Sequence[CompileRow]) -> float:
    """The longest over the shortest sequence."""
    ordered = sorted(rows, key=lambda row: row.steps)
    return ordered[-1].next / ordered[0].next


_COMPILE = (
    Target(
        "a further cell ready, empty cache, slowest", 2.0, False, _compiled("cold"), _slowest, "s"
    ),
    Target(
        "a further cell ready, full cache, slowest", 0.05, False, _compiled("warm"), _slowest, "s"
    ),
    Target(
        "time to be ready, T=4096 / T=64, empty cache", 1.25, False, _compiled("cold"), _dependence
    ),
)
