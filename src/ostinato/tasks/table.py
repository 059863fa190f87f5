"""Columns of numbers from a CSV or .npy file: complete, or an error that names the bad places."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ostinato.core.errors import ArgumentError, DataError, nearest
from ostinato.tasks.text_files import read_text

_SHOWN = 10
_Rows = list[tuple[int, list[str]]]


@dataclass(frozen=True)
class Table:
    """Columns of numbers.

    Attributes:
        names: the name of each column; its number where the file has no header.
        values: (N, D), finite.
    """

    names: tuple[str, ...]
    values: npt.NDArray[np.float64]


def read_table(path: Path, columns: str | None = None, time: str | None = None) -> Table:
    """Read columns of a CSV file (also .gz or .xz) or of an array in a .npy file.

    A first line with a field that is not a number is the header; the delimiter is the comma,
    semicolon or tab that is most frequent in it.

    Args:
        path: the file; a .npy array is (N,) or (N, D).
        columns: names or numbers (from 0) of the columns to read, separated by commas. None: all
            but `time`, and but leading columns without a single number, such as dates.
        time: the name or number of a column to leave out, e.g. a year.

    Raises:
        DataError: if the file cannot be read, or holds anything but finite numbers there.
        ArgumentError: if there is no such column.
    """
    if path.suffix == ".npy":
        return _read_array(path, columns, time)
    rows = _parsed(path)
    first = rows[0][1]
    header = any(_number(field) is None for field in first)
    names = [name.strip() for name in first] if header else list(map(str, range(len(first))))
    body = rows[1:] if header else rows
    chosen = _chosen(names, columns, time)
    if columns is None:
        chosen = _without_leading_labels(chosen, body)
    if not chosen or not body:
        raise DataError(f"{path} has no column of numbers; its columns are {', '.join(names)}.")
    _refuse(path, list(_bad_fields(body, names, chosen)))
    values = [[float(row[k]) for k in chosen] for _, row in body]
    return Table(tuple(names[k] for k in chosen), np.array(values))


def _read_array(path: Path, columns: str | None, time: str | None) -> Table:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read as a .npy array: {error}.") from error
    if array.ndim not in (1, 2) or array.dtype.kind not in "iuf" or array.size == 0:
        raise DataError(
            f"{path} should hold numbers of shape (N,) or (N, D); it holds {array.dtype} of shape "
            f"{array.shape}."
        )
    array = array.reshape(len(array), -1).astype(np.float64)
    names = list(map(str, range(array.shape[1])))
    chosen = _chosen(names, columns, time)
    values = array[:, chosen]
    bad = np.argwhere(~np.isfinite(values)).tolist()
    _refuse(path, [f"row {r}, column {names[chosen[k]]}: {values[r, k]}" for r, k in bad])
    return Table(tuple(names[k] for k in chosen), values)


def _parsed(path: Path) -> _Rows:
    text = read_text(path).removeprefix("\ufeff")
    line = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=line.count))
    try:
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}.") from error
    if not rows:
        raise DataError(f"{path} is empty.")
    return rows


def _chosen(names: Sequence[str], columns: str | None, time: str | None) -> list[int]:
    if columns is not None:
        return [_find(names, wanted.strip()) for wanted in columns.split(",")]
    left_out = None if time is None else _find(names, time)
    return [k for k in range(len(names)) if k != left_out]


def _find(names: Sequence[str], wanted: str) -> int:
    if wanted in names:
        return names.index(wanted)
    if wanted.isdecimal() and int(wanted) < len(names):
        return int(wanted)
    raise ArgumentError(f"There is no column {wanted!r}. {nearest(wanted, names)}")


def _without_leading_labels(chosen: list[int], body: _Rows) -> list[int]:
    for place, k in enumerate(chosen):
        if any(k < len(row) and _number(row[k]) is not None for _, row in body):
            return chosen[place:]
    return []


def _bad_fields(body: _Rows, names: Sequence[str], chosen: Sequence[int]) -> Iterator[str]:
    for line, row in body:
        if len(row) != len(names):
            yield f"line {line}: {len(row)} fields instead of {len(names)}: {','.join(row)[:60]!r}"
            continue
        for k in chosen:
            if _number(row[k]) is None:
                yield f"line {line}, column {names[k]!r}: {row[k][:60]!r}"


def _refuse(path: Path, bad: Sequence[str]) -> None:
    if bad:
        more = f"\n  … and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        places = "\n  ".join(bad[:_SHOWN])
        raise DataError(
            f"{path} should hold finite numbers; {len(bad)} places do not, so nothing was read:\n"
            f"  {places}{more}\nCorrect or remove them, or choose other columns with columns=."
        )


def _number(field: str) -> float | None:
    try:
        value = float(field)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
