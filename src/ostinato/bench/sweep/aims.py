"""What publications report of the sizes in a table, beside what was measured there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ostinato.bench.measure import MODES
from ostinato.bench.sweep.entry import Entry, Question, Spot
from ostinato.bench.sweep.grids import GRIDS
from ostinato.bench.targets import Verdict


@dataclass(frozen=True)
class Aim:
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

    def judge(self, known: Mapping[Question, Entry], dtype: str) -> Verdict:
        """Compare with answers in a dtype, those of the base that were extrapolated among them."""
        measured = max(self._ratios(known, dtype), default=None)
        aim = f"≥ {self.bound:.3g} ×"
        if measured is None:
            return Verdict(self.text, aim, None, "not measured")
        return Verdict(self.text, aim, measured, "met" if measured >= self.bound else "not met")

    def _ratios(self, known: Mapping[Question, Entry], dtype: str) -> Iterator[float]:
        for spot in (replace(each, dtype=dtype) for each in self.spots):
            pair = (known.get(Question(spot, name, self.mode)) for name in (self.base, self.engine))
            slow, fast = (each and each.ms for each in pair)
            if slow and fast:
                yield slow / fast


def verdicts(table: str, entries: Sequence[Entry], dtype: str) -> list[Verdict]:
    """Those of a table, by its name without a dtype."""
    known = {entry.question: entry for entry in entries}
    return [aim.judge(known, dtype) for aim in AIMS.get(table, ())]


_HEADS = [Spot("LSTM", 768, 16, 1024, 12)]
_LONG = [s for s in GRIDS["lengths"].spots if s.cell in ("ParaGRU", "ParaLSTM")]
_FLASHRNN = "arXiv:2412.07752, H100, bfloat16"
AIMS: Mapping[str, Sequence[Aim]] = {
    "heads": (
        Aim(
            f"LSTM, 12 × 64, forward: loop / generated ({_FLASHRNN}: up to 50)",
            50, _HEADS, MODES[0], "fused",
        ),
        Aim(
            f"the same with the gradient ({_FLASHRNN}: 500 ms / 8.64 ms)",
            500 / 8.64, _HEADS, MODES[1], "fused",
        ),
        Aim(
            "LSTM, 12 × 64, with the gradient: FlashRNN's kernels / generated, on this device",
            1, _HEADS, MODES[1], "fused", "flashrnn",
        ),
    ),
    "lengths": (
        Aim(
            "ParaGRU or ParaLSTM, forward, the best length: loop / all steps together "
            "(ParaRNN, arXiv:2510.21450, A100: up to 665)",
            665, _LONG, MODES[0], "parallel",
        ),
    ),
}  # fmt: skip
