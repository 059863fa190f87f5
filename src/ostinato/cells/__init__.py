"""One file per cell: its equation and citation stand on top.

A new cell is one new file: every `Cell` that a file of this package defines under a name
ending in "Cell" is found here, and known on the command line by that name without the ending.
"""

from __future__ import annotations

import inspect
import pkgutil
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ostinato.cells.from_file import cell_from_file, file_of
from ostinato.core.errors import ArgumentError, nearest

if TYPE_CHECKING:
    from ostinato.core.cell import Cell


@cache
def cell_classes() -> dict[str, type[Cell]]:
    """All cells by their short name, e.g. "LSTM"."""
    found = {}
    for info in pkgutil.iter_modules(__path__):
        module = import_module(f"{__name__}.{info.name}")
        for name, value in vars(module).items():
            if name.endswith("Cell") and getattr(value, "__module__", "") == module.__name__:
                found[name.removesuffix("Cell")] = value
    return found


def cell_names() -> list[str]:
    """The short names of all cells, sorted."""
    return sorted(cell_classes())


def make_cell(name: str, input_size: int, hidden_size: int, **options: Any) -> Cell:
    """Build a cell by its short name; upper and lower case are the same.

    Args:
        name: as in `cell_names()`, or `FILE.py:CLASS` for a cell of one's own, whose file is run.
        input_size: D.
        hidden_size: H.
        options: further arguments of its constructor.

    Raises:
        ArgumentError: if there is no such cell, or it takes no such option.
    """
    file = file_of(name)
    cell = _shipped(name) if file is None else cell_from_file(file, name.rpartition(":")[2])
    taken = set(inspect.signature(cell).parameters) - {"input_size", "hidden_size"}
    for option in set(options) - taken:
        raise ArgumentError(f"{name} has no option {option!r}. {nearest(option, taken)}")
    return cell(input_size, hidden_size, **options)


def _shipped(name: str) -> type[Cell]:
    classes = {short.lower(): value for short, value in cell_classes().items()}
    if name.lower() not in classes:
        raise ArgumentError(
            f"No cell is called {name!r}. {nearest(name, cell_names())} "
            "A cell of your own: FILE.py:CLASS."
        )
    return classes[name.lower()]


def __getattr__(name: str) -> Any:
    short = name.removesuffix("Cell")
    if name.endswith("Cell") and short in cell_classes():
        return cell_classes()[short]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
