"""The report of an experiment: a table on the screen; JSON, CSV and a picture in a folder."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ostinato.core.errors import MissingExtraError
from ostinato.core.extras import extra
from ostinato.experiments.experiment import Experiment, Panel, Result, Track


def show(experiment: Experiment, result: Result) -> None:
    """Print the paper's numbers beside the measured ones; the last line is the verdict."""
    table = extra("rich.table", "cli", "The report").Table(title=experiment.title, show_lines=True)
    for heading in ("claim", "paper", "measured", "holds"):
        table.add_column(heading, overflow="fold")
    bounds = {claim.text: claim.bounds for claim in experiment.claims}
    for row in result.rows:
        measured = f"{row.measured:.4g} ± {row.spread:.2g}"
        holds = "[green]yes" if row.holds else "[red]no"
        table.add_row(f"{row.claim} (holds if {bounds[row.claim]})", row.paper, measured, holds)
    # Not on a terminal, rich would squeeze the table into 80 columns.
    width = None if sys.stdout.isatty() else 140
    extra("rich.console", "cli", "The report").Console(width=width).print(table)
    for row in result.rows:
        if not row.holds:
            print(f"does not hold: {row.claim}: {row.measured:.4g} ± {row.spread:.2g}")
    print(f"mean ± standard deviation of {result.seeds} seeds, {result.seconds:.0f} s")
    print(f"reproduced: {'yes' if result.reproduced else 'no'}")


def save(result: Result, folder: Path) -> list[Path]:
    """Write result.json, rows.csv, curves.csv and curves.png into `folder`.

    Without matplotlib the picture is left out, for its numbers are in curves.csv.

    Returns:
        The files that were written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "result.json": json.dumps(to_json(result), indent=2, ensure_ascii=False).encode(),
        "rows.csv": _csv([asdict(row) for row in result.rows]),
        "curves.csv": _csv(_points(result.panels)),
    }
    try:
        contents["curves.png"] = _picture(result.panels)
    except MissingExtraError as error:
        print(error, file=sys.stderr)
    for name, content in contents.items():
        write(folder / name, content)
    return [folder / name for name in contents]


def write(path: Path, content: bytes) -> None:
    """Write a file so that it is there as a whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)


def to_json(result: Result) -> dict[str, Any]:
    """The result as plain JSON; a number that is not finite becomes null."""
    rows = [{key: _finite(value) for key, value in asdict(row).items()} for row in result.rows]
    return {
        "slug": result.slug,
        "scale": result.scale,
        "seeds": result.seeds,
        "rows": rows,
        "reproduced": result.reproduced,
        "seconds": round(result.seconds, 1),
    }


@contextmanager
def progress() -> Iterator[Track]:
    """Progress on stderr, so that stdout holds the report only: bars, or in a log one line each."""
    console = extra("rich.console", "cli", "The progress bar").Console(stderr=True)
    bars = extra("rich.progress", "cli", "The progress bar").Progress(
        console=console, disable=not console.is_terminal
    )

    def track(items: Iterable[Any], text: str) -> Iterable[Any]:
        if not console.is_terminal:
            # In a log a bar would appear at its end only.
            console.print(text, highlight=False)
        shown: Iterable[Any] = bars.track(items, description=text)
        return shown

    with bars:
        yield track


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _points(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    return [
        {"quantity": panel.y_label, "curve": curve.label, "seed": seed, "x": x, "y": y}
        for panel in panels
        for curve in panel.curves
        for seed, run in enumerate(curve.runs)
        for x, y in zip(curve.x, run, strict=True)
    ]


def _csv(rows: Sequence[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    names = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _picture(panels: Sequence[Panel]) -> bytes:
    figure_module = extra("matplotlib.figure", "plot", "The picture of the curves")
    figure = figure_module.Figure(figsize=(6 * len(panels), 4), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for curve in panel.curves:
            columns = list(zip(*curve.runs, strict=True))
            middle = [sum(column) / len(column) for column in columns]
            (line,) = axes.plot(curve.x, middle, label=curve.label)
            low, high = [min(c) for c in columns], [max(c) for c in columns]
            axes.fill_between(curve.x, low, high, color=line.get_color(), alpha=0.2)
        axes.set_xlabel(panel.x_label)
        axes.set_ylabel(panel.y_label)
        axes.legend()
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()
