"""The answers of a table in a file, so that the next run goes on where this one stopped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ostinato.bench.machine import Machine
from ostinato.bench.report import write
from ostinato.bench.stored import check_same, machine_of
from ostinato.bench.sweep.ceilings import Ceilings
from ostinato.bench.sweep.entry import Entry, Question, Spot
from ostinato.core.errors import DataError


@dataclass(frozen=True)
class Sheet:
    """What was measured for a table so far.

    Attributes:
        machine: on which.
        precision: in which products of float32 are computed, as torch names it.
        entries: the answers.
    """

    machine: Machine
    precision: str
    entries: Sequence[Entry]


def save(sheet: Sheet, path: Path) -> None:
    """Write a sheet, or nothing of it."""
    write(path, (json.dumps(asdict(sheet), indent=1, ensure_ascii=False) + "\n").encode())


def load(path: Path, machine: Machine, precision: str) -> Sheet:
    """The sheet in a file, or one without answers.

    Raises:
        DataError: if the file is no sheet, or of another machine, other versions or precision.
    """
    if not path.exists():
        return Sheet(machine, precision, ())
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        entries = [_entry(each) for each in values["entries"]]
        before, held = machine_of(values), values["precision"]
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path} holds no table of this version: {error!r}. Remove it.") from error
    check_same(before, machine, path)
    if held != precision:
        raise DataError(
            f"{path} was measured with products in precision {held!r}, not {precision!r}; name "
            "another folder."
        )
    return Sheet(before, precision, entries)


def _entry(values: dict[str, Any]) -> Entry:
    question, roof = values["question"], values["ceilings"]
    asked = Question(**question | {"spot": Spot(**question["spot"])})
    return Entry(**values | {"question": asked, "ceilings": roof and Ceilings(**roof)})
