"""What an analysis found: arrays, with a table and a picture."""

from __future__ import annotations

import csv
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ostinato.core.extras import extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Table:
    """Numbers and names in rows and columns.

    Attributes:
        headings: of the columns.
        rows: each as long as the headings.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def __str__(self) -> str:
        cells = [self.headings, *([_text(value) for value in row] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = (
            "  ".join(f"{cell:>{w}}" for cell, w in zip(row, widths, strict=True)) for row in cells
        )
        return "\n".join(lines)

    def csv(self) -> str:
        """The table as comma-separated values, with all digits."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.headings, *self.rows])
        return text.getvalue()


class Finding(ABC):
    """The result of an analysis: its arrays are attributes; a subclass draws and tabulates them.

    found = lyapunov_exponents(cell, x)
    print(found)                        # its table
    found.plot().savefig("found.png")   # matplotlib, of the extra `plot`
    """

    @abstractmethod
    def table(self) -> Table:
        """The arrays, or a summary of them, as a table."""

    @abstractmethod
    def draw(self, axes: Axes) -> None:
        """Draw into axes of matplotlib."""

    def plot(self) -> Figure:
        """A picture of its own.

        Raises:
            MissingExtraError: without matplotlib.
        """
        figures = extra("matplotlib.figure", "plot", "The picture", "The numbers are in .table().")
        figure: Figure = figures.Figure(figsize=(6, 4), layout="constrained")
        self.draw(figure.add_subplot())
        return figure

    def save(self, folder: Path, name: str) -> list[Path]:
        """Write `name`.csv and `name`.png into a folder.

        Returns:
            The files that were written.

        Raises:
            MissingExtraError: without matplotlib; the table is written nevertheless.
        """
        folder.mkdir(parents=True, exist_ok=True)
        table, picture = folder / f"{name}.csv", folder / f"{name}.png"
        _replace(table, self.table().csv().encode())
        content = io.BytesIO()
        self.plot().savefig(content, format="png", dpi=120)
        _replace(picture, content.getvalue())
        return [table, picture]

    def __str__(self) -> str:
        return str(self.table())


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _replace(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes(content)
    os.replace(unfinished, path)
