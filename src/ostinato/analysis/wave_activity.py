"""Activity that travels: the columns of a lattice over time, as a picture and as an animation."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from ostinato.analysis.finding import Finding, Table
from ostinato.core.extras import extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__papers__ = ("hidden-waves",)


@dataclass(frozen=True)
class WaveActivity(Finding):
    """What a lattice, or a ring, holds at every step of a sequence.

    For example, of a lattice and of a `WaveRNNCell` with c channels::

        WaveActivity(states.view(T, s, d)).plot()
        WaveActivity(states.view(T, c, n).mT).animate(Path("ring.gif"))

    Attributes:
        activity: (T, s, d), s places and d numbers at each of them.
    """

    activity: Tensor

    @property
    def speed(self) -> float:
        """Places that the activity moves in a step, in the direction of smaller places.

        The shift of the ring of places under which the activity of a step is most like that of
        the step after, from −s/2 to s/2.
        """
        before, after = self.activity[:-1], self.activity[1:]
        places = self.activity.shape[1]
        likeness = [float((before.roll(-k, 1) * after).sum()) for k in range(places)]
        best = likeness.index(max(likeness))
        return float(best if best <= places / 2 else best - places)

    def table(self) -> Table:
        """One row for each step, one column for each place: the mean over its numbers."""
        means = self.activity.mean(2).tolist()
        headings = ["step", *(f"place {k + 1}" for k in range(self.activity.shape[1]))]
        return Table(headings, [[t, *row] for t, row in enumerate(means)])

    def draw(self, axes: Axes) -> None:
        """Places over time, the numbers at a place one below the other; waves are diagonals."""
        picture = self.activity.permute(2, 1, 0).flatten(0, 1).cpu().numpy()
        top = float(self.activity.abs().max())
        axes.imshow(picture, cmap="RdBu", vmin=-top, vmax=top, aspect="auto", interpolation="none")
        axes.set_xlabel("step")
        axes.set_ylabel("place, for each number")

    def animate(self, path: Path, frames_per_second: int = 10) -> Path:
        """Write a GIF in which every frame is a step.

        Args:
            path: of the file, ending in .gif.
            frames_per_second: steps that are shown in a second.

        Raises:
            MissingExtraError: without matplotlib.
        """
        purpose, instead = "An animation", "The numbers are in .table()."
        animation = extra("matplotlib.animation", "plot", purpose, instead)
        figure = extra("matplotlib.figure", "plot", purpose, instead).Figure(figsize=(6, 3))
        # Without a canvas of its own a figure cannot draw frames.
        extra("matplotlib.backends.backend_agg", "plot", purpose).FigureCanvasAgg(figure)
        axes, values = figure.add_subplot(), self.activity.cpu().numpy()
        lines = axes.plot(values[0], marker="o")
        top = float(abs(values).max()) or 1.0
        axes.set(xlabel="place", ylabel="activity", ylim=(-1.1 * top, 1.1 * top))
        # The writer knows the format by the ending.
        unfinished = path.with_name(f".{path.stem}.unfinished.gif")
        writer = animation.PillowWriter(fps=frames_per_second)
        with writer.saving(figure, unfinished, dpi=80):
            for step, row in enumerate(values):
                axes.set_title(f"step {step}")
                for line, heights in zip(lines, row.T, strict=True):
                    line.set_ydata(heights)
                writer.grab_frame()
        os.replace(unfinished, path)
        return path
