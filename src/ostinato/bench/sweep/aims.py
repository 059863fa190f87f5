"""What publications report of the sizes in a table, beside what was measured there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ostinato.bench.measure import MODES
from ostinato.bench.sweep.entry import Entry, Question, Spot
from ostinato.bench.sweep.grids import GRIDS
from ostinato.bench.targets import Verdict

Known = Mapping[Question, Entry]
"""The answers of a table."""


class Aim(Protocol):
    """A published number.

    Attributes:
        spots: the sizes that it is about, whatever their dtype.
        mode: of the pass.
    """

    @property
    def spots(self) -> Sequence[Spot]:
        """The sizes."""

    @property
    def mode(self) -> str:
        """Of the pass."""

    @property
    def sides(self) -> Sequence[str]:
        """The columns that it speaks of."""

    def judge(self, known: Known, dtype: str) -> Verdict:
        """Compare with answers in a dtype."""


@dataclass(frozen=True)
class Ratio:
    """How many times as fast as another an engine is to be, at one of some sizes.

    Attributes:
        text: what is reported, and where.
        bound: the number.
        spots: the sizes, whatever their dtype; the best of them counts.
        mode: of the pass.
        engine: that is fast.
        base: that it is compared with.
    """

    text: str
    bound: float
    spots: Sequence[Spot]
    mode: str
    engine: str
    base: str = "reference"

    @property
    def sides(self) -> Sequence[str]:
        """Both."""
        return self.base, self.engine

    def judge(self, known: Known, dtype: str) -> Verdict:
        """Compare with answers in a dtype, those of the base that were extrapolated among them."""
        measured = max(self._ratios(known, dtype), default=None)
        aim = f"≥ {self.bound:.3g} ×"
        if measured is None:
            return Verdict(self.text, aim, None, "not measured")
        return Verdict(self.text, aim, measured, "met" if measured >= self.bound else "not met")

    def _ratios(self, known: Known, dtype: str) -> Iterator[float]:
        for spot in (replace(each, dtype=dtype) for each in self.spots):
            pair = (known.get(Question(spot, name, self.mode)) for name in (self.base, self.engine))
            slow, fast = (each and each.ms for each in pair)
            if slow and fast:
                yield slow / fast


@dataclass(frozen=True)
class Most:
    """What a quantity is to be at most, at all of some sizes.

    Attributes:
        text: what is reported, and where.
        bound: the number.
        spots: the sizes, whatever their dtype; the worst of those that were measured counts.
        mode: of the pass.
        engine: whose answers.
        quantity: of an answer; None: it was not measured.
        unit: behind the number.
    """

    text: str
    bound: float
    spots: Sequence[Spot]
    mode: str
    engine: str
    quantity: Callable[[Entry], float | None]
    unit: str = ""

    @property
    def sides(self) -> Sequence[str]:
        """The one."""
        return (self.engine,)

    def judge(self, known: Known, dtype: str) -> Verdict:
        """Compare with answers in a dtype."""
        asked = (Question(replace(s, dtype=dtype), self.engine, self.mode) for s in self.spots)
        values = (self.quantity(known[question]) for question in asked if question in known)
        measured = max((value for value in values if value is not None), default=None)
        aim = f"≤ {self.bound:.3g} {self.unit}".rstrip()
        if measured is None:
            return Verdict(self.text, aim, None, "not measured")
        return Verdict(self.text, aim, measured, "met" if measured <= self.bound else "not met")


def verdicts(table: str, entries: Sequence[Entry], dtype: str) -> list[Verdict]:
    """Those of a table, by its name without a dtype."""
    known = {entry.question: entry for entry in entries}
    return [aim.judge(known, dtype) for aim in AIMS.get(table, ())]


_HEADS = [Spot("LSTM", 768, 16, 1024, 12)]
_LONG = [s for s in GRIDS["lengths"].spots if s.cell in ("ParaGRU", "ParaLSTM")]
_FLASHRNN = "arXiv:2412.07752, H100, bfloat16"
# FlashRNN's kernels of both forms, milliseconds by head size, forward and with the gradient.
_PUBLISHED = {
    "fused": {
        16: (3.56, 8.22), 32: (2.90, 8.20), 64: (3.10, 8.64),
        128: (3.22, 9.02), 256: (3.62, 11.3), 768: (4.87, 13.6),
    },
    "alternating": {
        16: (7.84, 17.9), 32: (8.12, 18.8), 64: (8.19, 20.5),
        128: (8.80, 21.7), 256: (10.47, 33.5), 768: (10.79, 26.5),
    },
}  # fmt: skip
# What flash-linear-attention asks of its kernels in bfloat16, by what is computed.
_ERRORS = {"y": 0.005, "q": 0.008, "k": 0.008, "v": 0.008, "β": 0.02, "g": 0.02}


def _published() -> Iterator[Most]:
    for engine, times in _PUBLISHED.items():
        for size, pair in times.items():
            for mode, bound in zip(MODES, pair, strict=True):
                spots = [Spot("LSTM", 768, 16, 1024, 768 // size)]
                text = f"LSTM, {768 // size} × {size}, {mode}, {engine} ({_FLASHRNN})"
                yield Most(text, bound, spots, mode, engine, lambda entry: entry.ms, "ms")


def _errors() -> Iterator[Most]:
    for part, bound in _ERRORS.items():
        what = part if part == "y" else f"the gradient of {part}"
        yield Most(
            f"chunks: error of {what} (asked of flash-linear-attention's kernels in bfloat16)",
            bound, GRIDS["updates"].spots, MODES[part != "y"], "chunk",
            lambda entry, part=part: entry.parts.get(part),  # type: ignore[misc]
        )  # fmt: skip


def _over_krylov(entry: Entry) -> float | None:
    """Bytes of a pass over those of H·N·T numbers."""
    spot = entry.question.spot
    states = int(spot.cell.rsplit("-", 1)[1])
    numbers = spot.hidden * states * spot.steps
    return None if entry.peak is None else entry.peak / (spot.numbers.itemsize * numbers)


AIMS: Mapping[str, Sequence[Aim]] = {
    "heads": (
        Ratio(
            f"LSTM, 12 × 64, forward: loop / generated ({_FLASHRNN}: up to 50)",
            50, _HEADS, MODES[0], "fused",
        ),
        Ratio(
            f"the same with the gradient ({_FLASHRNN}: 500 ms / 8.64 ms)",
            500 / 8.64, _HEADS, MODES[1], "fused",
        ),
        Ratio(
            "LSTM, 12 × 64, with the gradient: FlashRNN's kernels / generated, on this device",
            1, _HEADS, MODES[1], "fused", "flashrnn",
        ),
        *_published(),
    ),
    "lengths": (
        Ratio(
            "ParaGRU or ParaLSTM, forward, the best length: loop / all steps together "
            "(ParaRNN, arXiv:2510.21450, A100: up to 665)",
            665, _LONG, MODES[0], "parallel",
        ),
    ),
    "surface": (
        Ratio(
            "GRU of 1 unit, forward, the best length: loop / Newton's method "
            "(DEER, arXiv:2309.12252, V100: up to 2029)",
            2029, [s for s in GRIDS["surface"].spots if s.hidden == 1], MODES[0], "Newton",
        ),
    ),
    "updates": tuple(_errors()),
    "lssl": (
        Most(
            "a learned system by convolution, 2¹⁶ steps: bytes of a forward pass over those of the "
            "Krylov vectors alone",
            1, [s for s in GRIDS["lssl"].spots if "-f-" not in s.cell and s.steps == 2**16],
            MODES[0], "convolution", _over_krylov, "×",
        ),
    ),
}  # fmt: skip
