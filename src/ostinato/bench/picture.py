"""The ratios of a result as a picture: one line for each case, peer and size."""

from __future__ import annotations

import io

from ostinato.bench.measure import MODES
from ostinato.bench.result import Result, Row
from ostinato.core.extras import extra


def picture(result: Result) -> bytes:
    """PNG with one panel for each mode; bars over the quartiles, colours for the threads."""
    figure_module = extra("matplotlib.figure", "plot", "The picture of the ratios")
    rows = [row for row in result.rows if row.ratio is not None]
    labels = list(dict.fromkeys(map(_label, rows)))
    figure = figure_module.Figure(figsize=(12, 1.5 + 0.22 * len(labels)), layout="constrained")
    for axes, mode in zip(figure.subplots(1, len(MODES), sharey=True), MODES, strict=True):
        for threads in sorted({row.threads for row in rows}):
            chosen = [row for row in rows if row.mode == mode and row.threads == threads]
            _points(axes, chosen, labels, f"{threads} thread{'s' if threads > 1 else ''}")
        axes.axvline(1, color="black", linewidth=0.8)
        axes.set_xscale("log")
        axes.set_xlabel("time of the peer / time of ostinato")
        axes.set_title(mode)
        axes.grid(axis="x", alpha=0.3)
    axes.set_yticks(range(len(labels)), labels, fontsize=7)
    axes.invert_yaxis()
    if rows:
        axes.legend()
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()


def _points(axes: object, rows: list[Row], labels: list[str], name: str) -> None:
    heights = [labels.index(_label(row)) for row in rows]
    ratios = [row.ratio for row in rows]
    below = [ratio - spread[0] for ratio, spread in _measured(rows)]
    above = [spread[1] - ratio for ratio, spread in _measured(rows)]
    axes.errorbar(ratios, heights, xerr=[below, above], fmt="o", markersize=4, label=name)  # type: ignore[attr-defined]


def _measured(rows: list[Row]) -> list[tuple[float, tuple[float, float]]]:
    return [(row.ratio, row.spread) for row in rows if row.ratio and row.spread]


def _label(row: Row) -> str:
    return f"{row.case} / {row.peer}  {row.size}"
