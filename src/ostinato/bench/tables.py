"""A result as tables of text, for the screen and for Markdown alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from ostinato.bench.measure import MODES
from ostinato.bench.result import BandwidthRow, CompileRow, Result, Row, geometric_mean
from ostinato.bench.targets import verdicts


@dataclass(frozen=True)
class Table:
    """Text in rows and columns.

    Attributes:
        title: above it.
        headings: of the columns.
        rows: each as long as the headings.
        numbers: the columns that are aligned to the right.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[int] = field(default=frozenset())


def tables(result: Result) -> list[Table]:
    """One for each case and peer, those of alike cases, then means, compile times and targets."""
    by_peer = groupby(result.rows, key=lambda row: (row.case, row.peer))
    found = [_comparison(case, peer, list(rows)) for (case, peer), rows in by_peer]
    found += _overviews(result.rows)
    found += [_means(result)] if result.rows else []
    found += [_compilation(result)] if result.compile else []
    found += [_bandwidth(result.bandwidth)] if result.bandwidth else []
    found += [_failures(result)] if result.failures else []
    return [*found, _targets(result)]


def _comparison(case: str, peer: str, rows: Sequence[Row]) -> Table:
    lines = []
    for (size, threads), group in groupby(rows, key=lambda row: (row.size, row.threads)):
        modes = {row.mode: row for row in group}
        lines.append([size, str(threads), *(cell for m in MODES for cell in _cells(modes[m]))])
    headings = ["size", "threads"]
    headings += [h for mode in MODES for h in (f"{mode}, ms", f"{peer}, ms", "ratio")]
    return Table(f"{case} against {peer}", headings, lines, frozenset(range(1, 8)))


def _cells(row: Row) -> list[str]:
    if row.ratio is None or row.spread is None:
        return ["", "", "none: they disagree"]
    low, high = row.spread
    ratio = f"{row.ratio:.2f} [{low:.2f}, {high:.2f}]{_mark([row])}"
    return [f"{row.ours_ms:.2f}", f"{row.peer_ms:.2f}", ratio]


def _overviews(rows: Sequence[Row]) -> Iterator[Table]:
    """One for all cases of the same sizes and peers, if they are several: a line for each."""
    alike: dict[tuple[Row, ...], list[list[Row]]] = {}
    for _, group in groupby(rows, key=lambda row: row.case):
        chosen = list(group)
        alike.setdefault(tuple(map(_bare, chosen)), []).append(chosen)
    for shape, cases in alike.items():
        for threads in sorted({row.threads for row in shape}) if len(cases) > 1 else ():
            yield _overview([[r for r in case if r.threads == threads] for case in cases], threads)


def _bare(row: Row) -> Row:
    """What was to be measured, without the case."""
    return Row("", row.peer, row.batch, row.steps, row.hidden, row.threads, row.mode)


def _overview(cases: Sequence[Sequence[Row]], threads: int) -> Table:
    """The ratios to all peers in one cell, in columns for each size and mode."""
    columns = list(dict.fromkeys((row.size, row.mode) for row in cases[0]))
    peers = " / ".join(dict.fromkeys(row.peer for row in cases[0]))
    lines = [
        [case[0].case, *(_side_by_side(case, *column) for column in columns)] for case in cases
    ]
    title = f"Times as fast as {peers}, {threads} thread{'s' if threads > 1 else ''}"
    headings = ["case", *(f"{size}, {mode}" for size, mode in columns)]
    return Table(title, headings, lines, frozenset(range(1, len(headings))))


def _side_by_side(rows: Sequence[Row], size: str, mode: str) -> str:
    chosen = [row for row in rows if (row.size, row.mode) == (size, mode)]
    return " / ".join(_number(row.ratio) + _mark([row]) for row in chosen)


def _means(result: Result) -> Table:
    lines = []
    keys = dict.fromkeys((row.case, row.peer, row.threads) for row in result.rows)
    for case, peer, threads in keys:
        rows = [r for r in result.rows if (r.case, r.peer, r.threads) == (case, peer, threads)]
        by_mode = [[row for row in rows if row.mode == mode] for mode in MODES]
        means = [_number(geometric_mean(chosen)) + _mark(chosen) for chosen in by_mode]
        lines.append([case, peer, str(threads), *means])
    headings = ["case", "peer", "threads", *MODES]
    return Table("Geometric means of the ratios", headings, lines, frozenset((2, 3, 4)))


def _failures(result: Result) -> Table:
    told = {(r.case, r.peer, r.size, str(r.threads), r.failure or "") for r in result.failures}
    headings = ["case", "peer", "size", "threads", "what"]
    return Table("Disagreements", headings, sorted(told), frozenset((3,)))


def _compilation(result: Result) -> Table:
    lines = [
        [row.cache, str(row.steps), f"{row.first:.2f}", f"{row.next:.3f}{_mark([row])}"]
        for row in result.compile
    ]
    headings = ["cache", "T", "first cell of a process, s", "further cell, s"]
    return Table("Time until a cell is ready", headings, lines, frozenset((1, 2, 3)))


def _bandwidth(rows: Sequence[BandwidthRow]) -> Table:
    lines = [
        [
            row.kind,
            f"T={row.steps} B={row.batch} N={row.width}",
            str(row.threads),
            row.mode,
            f"{row.copy:.1f}",
            f"{row.share:.2f}{_mark([row])}",
        ]
        for row in rows
    ]
    headings = ["scan", "size", "threads", "mode", "copy, GB/s", "scan / copy"]
    return Table("Rates of affine scans", headings, lines, frozenset((2, 4, 5)))


def _targets(result: Result) -> Table:
    lines = [
        [verdict.text, verdict.aim, _number(verdict.measured), verdict.outcome]
        for verdict in verdicts(result)
    ]
    return Table("Targets", ["target", "aim", "measured", ""], lines, frozenset((1, 2)))


def _mark(rows: Sequence[Row | CompileRow | BandwidthRow]) -> str:
    return " †" if any(row.crowded for row in rows) else ""


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
