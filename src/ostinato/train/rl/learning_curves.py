"""One learning curve of many runs: their mean, and a band from the worst to the best of them."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy import ndarray

from ostinato.core.errors import ArgumentError
from ostinato.core.extras import extra
from ostinato.train.log import read_log

Points = Sequence[tuple[float, float]]
"""(step, score) pairs of a run, in the order of steps."""


@dataclass(frozen=True)
class LearningCurves:
    """Scores of S runs at the same P steps.

    Attributes:
        steps: (P,).
        scores: (S, P).
    """

    steps: ndarray
    scores: ndarray

    @classmethod
    def of_logs(cls, paths: Iterable[Path], score: str, points: int = 50) -> LearningCurves:
        """The curves of runs that wrote `log.jsonl`.

        Args:
            paths: of the logs.
            score: the name under which events hold it.
            points: P.

        Raises:
            ArgumentError: if a log has no such score, or the runs have no steps in common.
        """
        runs = []
        for path in paths:
            run = [(e["step"], e[score]) for e in read_log(path) if e.get(score) is not None]
            if not run:
                raise ArgumentError(f"{path} has no event with {score!r}.")
            runs.append(run)
        return cls.of_points(runs, points)

    @classmethod
    def of_points(cls, runs: Sequence[Points], points: int = 50) -> LearningCurves:
        """The curves of runs, over the steps that all of them reached.

        Args:
            runs: the scores of each, at whatever steps.
            points: P. A score is the mean over its share of the steps, and is interpolated where
                nothing was scored.

        Raises:
            ArgumentError: if the runs have no steps in common.
        """
        begin = max((run[0][0] for run in runs), default=0.0)
        end = min((run[-1][0] for run in runs), default=0.0)
        if end < begin or not runs:
            raise ArgumentError(
                f"Curves need runs with steps in common; got {len(runs)} runs, of which the last "
                f"begins at step {begin} and the first ends at {end}."
            )
        edges = np.linspace(begin, end, points + 1)
        middles = (edges[:-1] + edges[1:]) / 2
        return cls(middles, np.stack([_means(run, edges, middles) for run in runs]))

    def write_table(self, path: Path) -> None:
        """Write mean, least and largest score over steps as CSV, and those of each run."""
        unfinished = path.with_name(f".{path.name}.unfinished")
        columns = [self.scores.mean(0), self.scores.min(0), self.scores.max(0), *self.scores]
        names = [f"run {number + 1}" for number in range(len(self.scores))]
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["step", "mean", "least", "largest", *names])
            writer.writerows(np.stack([self.steps, *columns], 1).tolist())
        os.replace(unfinished, path)

    def draw(self, path: Path, score: str, title: str) -> None:
        """Draw mean and band over steps as PNG, the runs as thin lines.

        Raises:
            MissingExtraError: without matplotlib.
        """
        extra("matplotlib", "plot", "Learning curves as a picture", "`write_table` needs none.")
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot(xlabel="steps", ylabel=score, title=title)
        axes.plot(self.steps, self.scores.T, color="C0", linewidth=0.6, alpha=0.6)
        axes.fill_between(self.steps, self.scores.min(0), self.scores.max(0), alpha=0.2)
        label = f"mean of {len(self.scores)} runs"
        axes.plot(self.steps, self.scores.mean(0), color="C0", linewidth=2, label=label)
        axes.legend()
        axes.grid(alpha=0.3)
        unfinished = path.with_name(f".{path.name}.unfinished")
        figure.savefig(unfinished, format="png")
        os.replace(unfinished, path)


def _means(run: Points, edges: ndarray, middles: ndarray) -> ndarray:
    """Mean scores between the edges."""
    steps, scores = np.array(run, dtype=float).T
    within = (steps >= edges[0]) & (steps <= edges[-1])
    # The last edge belongs to the last share.
    share = np.minimum(np.searchsorted(edges, steps[within], side="right"), len(middles)) - 1
    counts = np.bincount(share, minlength=len(middles))
    totals = np.bincount(share, weights=scores[within], minlength=len(middles))
    found: ndarray = np.interp(middles, steps, scores)
    found[counts > 0] = totals[counts > 0] / counts[counts > 0]
    return found
