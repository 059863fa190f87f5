"""The ratios of a result as a picture: one line for each case, peer and size."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import product
from typing import Any

from ostinato.bench.measure import MODES
from ostinato.bench.result import Result, Row
from ostinato.core.extras import extra


def picture(result: Result) -> bytes:
    """PNG with one panel for each mode.

    Colours stand for the threads, bars for the quartiles; what was measured on a crowded
    machine is hollow.
    """
    figure_module = extra("matplotlib.figure", "plot", "The picture of the ratios")
    ticker = extra("matplotlib.ticker", "plot", "The picture of the ratios")
    rows = [row for row in result.rows if row.ratio is not None]
    labels = list(dict.fromkeys(map(_label, rows)))
    figure = figure_module.Figure(figsize=(12, 1.8 + 0.22 * len(labels)), layout="constrained")
    panels = figure.subplots(1, len(MODES), sharey=True)
    for axes, mode in zip(panels, MODES, strict=True):
        _draw(axes, [row for row in rows if row.mode == mode], labels)
        axes.axvline(1, color="black", linewidth=0.8)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        axes.set_xlabel("time of the peer / time of ostinato")
        axes.set_title(mode)
        axes.grid(axis="x", alpha=0.3)
    axes.set_yticks(range(len(labels)), labels, fontsize=7)
    axes.invert_yaxis()
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower right", ncols=4)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()


def _draw(axes: Any, rows: Sequence[Row], labels: Sequence[str]) -> None:
    counts = sorted({row.threads for row in rows})
    for (i, count), crowded in product(enumerate(counts), (False, True)):
        chosen = [row for row in rows if (row.threads, row.crowded) == (count, crowded)]
        if chosen:
            name = f"{count} thread{'s' if count > 1 else ''}{', crowded' if crowded else ''}"
            look = {"color": f"C{i}", "markerfacecolor": "white" if crowded else f"C{i}"}
            _points(axes, chosen, labels, label=name, **look)


def _points(axes: Any, rows: Sequence[Row], labels: Sequence[str], **look: str) -> None:
    points = [
        (row.ratio, labels.index(_label(row)), row.ratio - row.spread[0], row.spread[1] - row.ratio)
        for row in rows
        if row.ratio is not None and row.spread is not None
    ]
    ratios, heights, below, above = zip(*points, strict=True)
    axes.errorbar(ratios, heights, xerr=[below, above], fmt="o", markersize=4, **look)


def _label(row: Row) -> str:
    return f"{row.case} / {row.peer}  {row.size}"
