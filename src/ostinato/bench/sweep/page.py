"""A table as Markdown: one part for each cell and mode, a column for each engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from ostinato.bench.sweep.aims import verdicts
from ostinato.bench.sweep.ask import CHECKED_STEPS
from ostinato.bench.sweep.entry import Entry, Question, Spot
from ostinato.bench.sweep.grids import Grid
from ostinato.bench.sweep.sheet import Sheet
from ostinato.bench.sweep.work import least

_LEGENDS = {
    "ms": "Milliseconds of a pass, median of at most 9 after two others; in brackets how many "
    "times as fast as `{0}`. ~ marks what was extrapolated from a shorter sequence.",
    "peak": "MiB that a pass has at most beyond what is there before it; in brackets the part of "
    "what `{0}` has. On the CPU a lower estimate: room of the process that is used again does not "
    "count.",
    "roof": "Rates that a pass reaches with the least bytes and operations of its equations, in "
    "brackets as a share of the rate of a copy and of a product of matrices, measured in the same "
    "run; the last number is the least time by these ceilings over the measured one.",
}


def page(grid: Grid, sheet: Sheet) -> str:
    """The whole document."""
    machine = sheet.machine
    where = machine.device or f"{machine.cpu}, {machine.cores} cores"
    missing = len(grid.questions()) - len(sheet.entries)
    head = [
        f"- {where}, torch {machine.torch}, ostinato {machine.ostinato}, {machine.date} UTC",
        f"- {_numbers(grid, sheet)}; the input is as wide as the state",
        *_ceilings(sheet.entries),
        *([f"- {missing} of {len(grid.questions())} not measured yet"] if missing else []),
    ]
    legend = _LEGENDS[grid.shows].format(grid.engines[0])
    parts = _roof(sheet.entries) if grid.shows == "roof" else _parts(grid, sheet.entries)
    aims = _aims(grid, sheet.entries)
    blocks = [f"# {grid.title}", "\n".join(head), *aims, legend, *parts, *_notes(sheet.entries)]
    return "\n\n".join(blocks) + "\n"


def _numbers(grid: Grid, sheet: Sheet) -> str:
    """In what is computed."""
    (dtype,) = {spot.dtype for spot in grid.spots}
    if dtype == "float32":
        return f"float32, products in precision {sheet.precision!r} unless an engine says otherwise"
    return f"weights, inputs and states in {dtype}; an engine may be more exact within"


def _aims(grid: Grid, entries: Sequence[Entry]) -> Iterator[str]:
    """What publications report of such sizes, if they do."""
    dtype = grid.spots[0].dtype
    rows = [
        (v.text, v.aim, "–" if v.measured is None else f"{v.measured:.3g} ×", v.outcome)
        for v in verdicts(grid.name.removesuffix(f"-{dtype}"), entries, dtype)
    ]
    if rows:
        yield f"## Aims\n\n{_table(('what', 'aim', f'measured in {dtype}', 'outcome'), rows)}"


def _ceilings(entries: Sequence[Entry]) -> Iterator[str]:
    """Those of every run, with the clock that they were measured at."""
    for roof in dict.fromkeys(entry.ceilings for entry in entries if entry.ceilings):
        clock = "" if roof.clock is None else f", at {roof.clock:.0f} MHz"
        yield (
            f"- a copy {roof.copy / 1e9:.4g} GB/s, a product of matrices "
            f"{roof.matmul / 1e12:.3g} TFLOP/s{clock}"
        )


def _parts(grid: Grid, entries: Sequence[Entry]) -> Iterator[str]:
    """A table for each cell and mode."""
    known = {entry.question: entry for entry in entries}
    write = {"ms": _time, "peak": _peak}[grid.shows]
    for cell, spots in groupby(grid.spots, key=lambda spot: spot.cell):
        listed = list(spots)
        for mode in grid.modes:
            rows = [_row(known, spot, mode, grid.engines, write) for spot in listed]
            yield f"## {cell}, {mode}\n\n{_table(['heads × size', *grid.engines], rows)}"


def _row(
    known: dict[Question, Entry],
    spot: Spot,
    mode: str,
    engines: Sequence[str],
    write: Callable[[Entry, Entry | None], str],
) -> list[str]:
    found = [known.get(Question(spot, engine, mode)) for engine in engines]
    return [spot.size, *("" if each is None else write(each, found[0]) for each in found)]


def _time(entry: Entry, base: Entry | None) -> str:
    if entry.ms is None:
        return "–"
    text = f"{'' if entry.measured else '~'}{entry.ms:.3g}"
    if base is None or base.ms is None or base is entry:
        return text
    return f"{text} ({base.ms / entry.ms:.3g}×)"


def _peak(entry: Entry, base: Entry | None) -> str:
    if entry.peak is None:
        return "–"
    text = f"{entry.peak / 2**20:.1f}"
    if base is None or not base.peak or base is entry:
        return text
    return f"{text} ({entry.peak / base.peak:.2f})"


def _roof(entries: Sequence[Entry]) -> Iterator[str]:
    """One table of all that was measured."""
    titles = ("cell", "heads × size", "engine", "mode", "ms", "GB/s", "TFLOP/s", "least / measured")
    yield _table(titles, [_rates(entry) for entry in entries if entry.measured])


def _rates(entry: Entry) -> list[str]:
    question, work, roof = entry.question, least(entry.question), entry.ceilings
    assert entry.ms is not None
    assert roof is not None
    seconds = entry.ms / 1e3
    traffic, operations = work.traffic / seconds, work.operations / seconds
    return [
        question.spot.cell,
        question.spot.size,
        question.engine,
        question.mode,
        f"{entry.ms:.3g}",
        f"{traffic / 1e9:.3g} ({traffic / roof.copy:.2f})",
        f"{operations / 1e12:.3g} ({operations / roof.matmul:.2f})",
        f"{roof.floor(work.traffic, work.operations) / seconds:.2f}",
    ]


def _notes(entries: Sequence[Entry]) -> Iterator[str]:
    """What stands behind missing numbers, and how exact each engine was."""
    told: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        if entry.note and (entry.measured or entry.ms is None):
            question = entry.question
            where = f"{question.spot.cell} {question.spot.size}, {question.mode}"
            told.setdefault((question.engine, entry.note), []).append(where)
    if told:
        lines = [
            f"- `{engine}`, {places[0]}{_more(places)}: {note}"
            for (engine, note), places in told.items()
        ]
        yield "## Notes\n\n" + "\n".join(lines)
    engines = dict.fromkeys(entry.question.engine for entry in entries if entry.error is not None)
    worst = {
        engine: max(e.error or 0.0 for e in entries if e.question.engine == engine)
        for engine in engines
    }
    if worst:
        listed = ", ".join(f"`{engine}` {error:.0e}" for engine, error in worst.items())
        yield (
            "Largest error of outputs and gradients relative to those of the loop in float64, "
            f"first {CHECKED_STEPS} steps: {listed}."
        )


def _more(places: Sequence[str]) -> str:
    return f" and {len(places) - 1} more" if len(places) > 1 else ""


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
