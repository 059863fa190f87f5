"""A cell of one's own, named by its file and class: `examples/coupled_gates.py:CoupledGates`."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType

from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError, nearest


def file_of(name: str) -> Path | None:
    """The file in a cell's name, which is run to build the cell; None for a shipped cell."""
    file = name if name.endswith(".py") else name.rpartition(":")[0]
    return Path(file).expanduser() if file.endswith(".py") else None


def cell_from_file(path: Path, wanted: str) -> type[Cell]:
    """Run a file and take a class out of it.

    Args:
        path: of the file.
        wanted: name of the class; it is built with (input_size, hidden_size).

    Raises:
        ArgumentError: if there is no such file or class, it is no such cell, or the file fails.
    """
    if not path.is_file():
        raise ArgumentError(
            f"A cell was to be taken from {path}, but {path.absolute()} is no file. Write "
            "FILE.py:CLASS with a path from the current folder."
        )
    found = vars(_run(path))
    known = [key for key, value in found.items() if _is_cell(value)]
    if wanted not in known:
        what = "is no ost.Cell" if wanted in found else "is not in it"
        raise ArgumentError(
            f"A cell was to be taken from {path}, but {wanted!r} {what}. Write FILE.py:CLASS. "
            f"{nearest(wanted, known)}"
        )
    cell: type[Cell] = found[wanted]
    _check_signature(cell)
    return cell


def _run(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"cells of {path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and the like look their module up.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ArgumentError(
            f"{path} could not be run: {type(error).__name__}: {error}. See: python {path}"
        ) from error
    return module


def _check_signature(cell: type[Cell]) -> None:
    signature = inspect.signature(cell)
    try:
        signature.bind_partial(1, 1)
    except TypeError as error:
        raise ArgumentError(
            f"{cell.__name__}{signature} cannot be built with (input_size, hidden_size): {error}. "
            "Let these two be its first arguments."
        ) from error


def _is_cell(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Cell) and value is not Cell
