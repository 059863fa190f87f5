"""What a benchmark found: one row for each case, peer, size, mode and number of threads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ostinato.bench.machine import Machine


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        case: its name.
        peer: what it was compared with.
        batch: B.
        steps: T.
        hidden: H.
        threads: how many.
        mode: "forward" or "forward+backward".
        ratio: time of the peer over ours; None if the two disagreed.
        spread: quartiles of the ratio.
        ours_ms: median.
        peer_ms: median.
        others: cores that other processes kept busy meanwhile; None: not known.
        crowded: whether there were fewer cores than threads and others wanted.
        failure: what they disagreed in.
    """

    case: str
    peer: str
    batch: int
    steps: int
    hidden: int
    threads: int
    mode: str
    ratio: float | None = None
    spread: tuple[float, float] | None = None
    ours_ms: float | None = None
    peer_ms: float | None = None
    others: float | None = None
    crowded: bool = False
    failure: str | None = None

    @property
    def size(self) -> str:
        """Batch, steps and hidden size."""
        return f"B={self.batch} T={self.steps} H={self.hidden}"

    @property
    def contest(self) -> tuple[str, str, str, int]:
        """Who against whom, and where; its rows differ in the mode."""
        return self.case, self.peer, self.size, self.threads


@dataclass(frozen=True)
class CompileRow:
    """Seconds until a cell is ready, beyond those of its run.

    Attributes:
        steps: T of the call.
        cache: "cold": nothing on disk; "warm": the objects are there.
        first: for the first cell of a process, which also loads the compiler's parts.
        next: for a further cell.
        crowded: whether others took its core.
    """

    steps: int
    cache: str
    first: float
    next: float
    crowded: bool = False


@dataclass(frozen=True)
class BandwidthRow:
    """How fast a scan goes through memory.

    Attributes:
        kind: of the scan.
        steps: T.
        batch: B.
        width: N, the size of the state of a row.
        threads: how many.
        mode: "forward" or "forward+backward".
        share: bytes that the scan has to touch per second, over those of a copy.
        copy: bytes that the copy touches per second, in GB/s.
        crowded: whether others took its core.
    """

    kind: str
    steps: int
    batch: int
    width: int
    threads: int
    mode: str
    share: float
    copy: float
    crowded: bool = False


@dataclass(frozen=True)
class Result:
    """All that was measured.

    Attributes:
        machine: on which.
        repeats: pairs of samples behind each ratio.
        rows: the comparisons.
        compile: times of compilation, if they were measured.
        others: cores that other processes kept busy meanwhile; None: not known.
        seconds: wall time.
        bandwidth: rates of scans, if they were measured.
    """

    machine: Machine
    repeats: int
    rows: Sequence[Row]
    compile: Sequence[CompileRow]
    others: float | None
    seconds: float
    bandwidth: Sequence[BandwidthRow] = ()

    @property
    def failures(self) -> list[Row]:
        """The rows whose gate is red."""
        return [row for row in self.rows if row.failure]


def geometric_mean(rows: Iterable[Row]) -> float | None:
    """Of the ratios; None if there is none, or one is missing."""
    ratios = [row.ratio for row in rows]
    if not ratios or None in ratios:
        return None
    return math.exp(sum(math.log(ratio) for ratio in ratios if ratio) / len(ratios))
