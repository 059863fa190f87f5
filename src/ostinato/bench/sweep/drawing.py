"""A table as a picture: curves over the steps or the head size, or points under a roof."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

from ostinato.bench.sweep.entry import Entry, Spot
from ostinato.bench.sweep.grid import Grid
from ostinato.bench.sweep.sheet import Sheet
from ostinato.bench.sweep.work import least
from ostinato.core.extras import extra

_HEIGHTS = {"ms": "milliseconds of a pass", "peak": "MiB of a pass"}
_ROOF = ("roof",)


def drawing(grid: Grid, sheet: Sheet) -> bytes:
    """PNG of the first quantity: a panel for each mode and, unless under one roof, each cell."""
    figure_module = extra("matplotlib.figure", "plot", "The picture of a table")
    cells = list(dict.fromkeys(spot.cell for spot in grid.spots))
    lines = [cells] if grid.shows == _ROOF else [[cell] for cell in cells]
    size = (1 + 5 * len(grid.modes), 1 + 3 * len(lines) + 2 * (grid.shows == _ROOF))
    figure = figure_module.Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(lines), len(grid.modes), squeeze=False)
    for shown, line in zip(lines, panels, strict=True):
        for mode, axes in zip(grid.modes, line, strict=True):
            chosen = [e for e in sheet.entries if e.question.mode == mode]
            _panel(axes, grid, [e for e in chosen if e.question.spot.cell in shown])
            axes.set_title(f"{shown[0] + ', ' if len(shown) == 1 else ''}{mode}", fontsize=9)
    # A name stands once, however many panels have it.
    handles = {
        label: handle
        for axes in figure.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower right", ncols=4)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    return content.getvalue()


def _panel(axes: Any, grid: Grid, entries: Sequence[Entry]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.grid(alpha=0.3)
    if grid.shows == _ROOF:
        _roof(axes, grid, [entry for entry in entries if entry.measured])
        return
    axes.set_xlabel("T" if grid.axis == "steps" else grid.axis, fontsize=8)
    axes.set_ylabel(_HEIGHTS[grid.shows[0]], fontsize=8)
    for i, engine in enumerate(grid.engines):
        for group in _curves(grid, [e for e in entries if e.question.engine == engine]):
            points = [(_place(grid, e.question.spot), _height(grid, e)) for e in group]
            known = [(x, y) for x, y in points if y]
            if known:
                axes.plot(*zip(*known, strict=True), "o-", color=f"C{i}", ms=3, label=engine)


def _curves(grid: Grid, entries: Sequence[Entry]) -> Iterable[list[Entry]]:
    """Entries that differ in the quantity of the axis only."""
    groups: dict[tuple[int, ...], list[Entry]] = {}
    for entry in entries:
        spot = entry.question.spot
        fixed = spot.heads if grid.axis == "steps" else spot.steps
        groups.setdefault((spot.hidden, spot.batch, fixed), []).append(entry)
    return (sorted(g, key=lambda e: _place(grid, e.question.spot)) for g in groups.values())


def _place(grid: Grid, spot: Spot) -> int:
    return spot.steps if grid.axis == "steps" else spot.hidden // spot.heads


def _height(grid: Grid, entry: Entry) -> float | None:
    if grid.shows[0] == "ms":
        return entry.ms
    return None if entry.peak is None else entry.peak / 2**20


def _roof(axes: Any, grid: Grid, entries: Sequence[Entry]) -> None:
    """Points with the names of their cells, and what copy and product allow above them."""
    axes.set_xlabel("operations for each byte", fontsize=8)
    axes.set_ylabel("operations per second", fontsize=8)
    places = [2.0**exponent for exponent in range(-3, 11)]
    for entry in entries:
        work, engine = least(entry.question), entry.question.engine
        assert entry.ms is not None
        point = (work.operations / work.traffic, work.operations / (entry.ms / 1e3))
        color = f"C{grid.engines.index(engine)}"
        axes.plot(*point, "o", color=color, ms=4, label=engine)
        axes.annotate(entry.question.spot.cell, point, fontsize=5, color=color)
        places.append(point[0])
    for roof in [entry.ceilings for entry in entries if entry.ceilings][:1]:
        heights = [min(place * roof.copy, roof.matmul) for place in sorted(places)]
        axes.plot(sorted(places), heights, color="black", linewidth=0.8, label="ceilings")
