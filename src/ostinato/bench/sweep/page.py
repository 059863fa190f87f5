"""A table as Markdown: a part for each cell, mode and quantity, a column for each engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from ostinato.bench.sweep.aims import verdicts
from ostinato.bench.sweep.columns import ABSENT, LEGENDS, TITLES, WRITE, Write
from ostinato.bench.sweep.crossover import crossovers
from ostinato.bench.sweep.entry import Entry, Question, Spot
from ostinato.bench.sweep.grid import Grid, takes
from ostinato.bench.sweep.sheet import Sheet
from ostinato.bench.sweep.work import least


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
    roof = grid.shows == ("roof",)
    legends = [LEGENDS[shown].format(grid.engines[0]) for shown in grid.shows]
    blocks = [
        f"# {grid.title}",
        "\n".join(head),
        *_aims(grid, sheet.entries),
        "\n".join(legends if roof else [*legends, ABSENT]),
        *(_crossovers(grid, sheet.entries) if grid.axis == "head size" else ()),
        *(_roof(sheet.entries) if roof else _parts(grid, sheet.entries)),
        *_notes(sheet.entries),
    ]
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
        (v.text, v.aim, "–" if v.measured is None else f"{v.measured:.3g}", v.outcome)
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


def _crossovers(grid: Grid, entries: Sequence[Entry]) -> Iterator[str]:
    """Where code on chip ceases to be the fastest."""
    rows = list(crossovers(grid.spots, grid.engines, grid.modes, entries))
    if rows:
        titles = ("cell", "size", "mode", "faster than `on chip`", "from head size")
        yield f"## Crossover\n\n{_table(titles, rows)}"


def _parts(grid: Grid, entries: Sequence[Entry]) -> Iterator[str]:
    """A table for each cell, mode and quantity; rows by size, whatever was asked first."""
    known = {entry.question: entry for entry in entries}
    for cell in dict.fromkeys(spot.cell for spot in grid.spots):
        spots = sorted((spot for spot in grid.spots if spot.cell == cell), key=_order)
        for mode, shown in product(grid.modes, grid.shows):
            rows = [_row(known, spot, mode, grid.engines, WRITE[shown]) for spot in spots]
            table = _table(["heads × size", *grid.engines], rows)
            yield f"## {cell}, {mode}, {TITLES[shown]}\n\n{table}"


def _order(spot: Spot) -> tuple[int, ...]:
    return spot.hidden, spot.hidden // spot.heads, spot.batch, spot.steps


def _row(
    known: dict[Question, Entry], spot: Spot, mode: str, engines: Sequence[str], write: Write
) -> list[str]:
    found = [known.get(Question(spot, engine, mode)) for engine in engines]
    return [
        spot.size,
        *(
            (write(each, found[0]) if each else "" if takes(engine, spot) else "no")
            for engine, each in zip(engines, found, strict=True)
        ),
    ]


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
            "Largest error of outputs and gradients relative to those in float64, of 256 steps at "
            f"most, where the equations have a convolution of 4096: {listed}."
        )


def _more(places: Sequence[str]) -> str:
    return f" and {len(places) - 1} more" if len(places) > 1 else ""


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
