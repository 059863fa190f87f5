"""The result of an earlier run, read back so that it can be completed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ostinato.bench.machine import Machine, this_machine
from ostinato.bench.result import BandwidthRow, CompileRow, Result, Row
from ostinato.core.errors import DataError


def stored(path: Path, device: str = "cpu") -> Result | None:
    """The result in a file, to be completed on a device; None if there is no file yet.

    Raises:
        DataError: if it is no result, or was measured on another machine or with other versions.
    """
    if not path.exists():
        return None
    try:
        result = _read(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path} holds no result of this version: {error!r}. Remove it.") from error
    check_same(result.machine, this_machine(device), path)
    return result


def machine_of(values: dict[str, Any]) -> Machine:
    """The machine in a file of results."""
    return Machine(**values["machine"] | {"features": tuple(values["machine"]["features"])})


def check_same(earlier: Machine, present: Machine, path: Path) -> None:
    """Raise unless new rows may stand beside those of a file.

    Raises:
        DataError: with what differs.
    """
    before, now = asdict(earlier), asdict(present)
    differing = [name for name in now if name != "date" and before[name] != now[name]]
    if differing:
        told = "; ".join(f"{name} was {before[name]!r}, is {now[name]!r}" for name in differing)
        raise DataError(
            f"{path} was measured elsewhere: {told}. Rows of both do not belong together; name "
            "another file."
        )


def _read(values: dict[str, Any]) -> Result:
    rows = [row | {"spread": row["spread"] and tuple(row["spread"])} for row in values["rows"]]
    return Result(
        machine=machine_of(values),
        repeats=values["repeats"],
        rows=[Row(**row) for row in rows],
        compile=[CompileRow(**row) for row in values["compile"]],
        others=values["others"],
        seconds=values["seconds"],
        # Results of earlier versions have none.
        bandwidth=[BandwidthRow(**row) for row in values.get("bandwidth", ())],
    )
