"""The learning curve of a run: a table always, a picture if matplotlib is there."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ostinato.core.extras import extra

COLUMNS = ("step", "loss", "learning_rate", "gradient_norm", "score")


def write_table(events: Iterable[dict[str, Any]], path: Path) -> None:
    """Write the events of a log as CSV, one row for each step."""
    rows: dict[int, dict[str, Any]] = {}
    for event in events:
        rows.setdefault(event["step"], {}).update(event)
    temporary = path.with_name(f".{path.name}.unfinished")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows[step] for step in sorted(rows))
    os.replace(temporary, path)


def draw(events: Iterable[dict[str, Any]], path: Path, metric: str, title: str) -> None:
    """Draw loss and score over steps as PNG.

    Args:
        events: of a log.
        path: of the picture.
        metric: name of the score's axis.
        title: what was trained.

    Raises:
        MissingExtraError: without matplotlib.
    """
    extra("matplotlib", "plot", "The learning curve as a picture", "The table is in curve.csv.")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    events = list(events)
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    losses = figure.add_subplot(xlabel="optimizer steps", ylabel="training loss", title=title)
    scores = losses.twinx()
    scores.set_ylabel(f"held-out {metric}", color="C1")
    losses.plot(*_points(events, "loss"), color="C0", linewidth=0.7, alpha=0.7)
    scores.plot(*_points(events, "score"), color="C1", marker="o")
    losses.grid(alpha=0.3)
    temporary = path.with_name(f".{path.name}.unfinished")
    figure.savefig(temporary, format="png")
    os.replace(temporary, path)


def _points(events: Iterable[dict[str, Any]], name: str) -> tuple[list[int], list[float]]:
    points = [(event["step"], event[name]) for event in events if name in event]
    return [step for step, _ in points], [value for _, value in points]
