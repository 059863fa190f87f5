"""The report of a benchmark: tables on the screen; JSON, Markdown and a picture in a folder."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ostinato.bench.picture import picture
from ostinato.bench.result import Result
from ostinato.bench.tables import Table, tables
from ostinato.bench.targets import verdicts
from ostinato.core.errors import MissingExtraError
from ostinato.core.extras import extra


def show(result: Result) -> None:
    """Print all tables."""
    # Not on a terminal, rich would squeeze the tables into 80 columns.
    width = None if sys.stdout.isatty() else 140
    console = extra("rich.console", "cli", "The report").Console(width=width, highlight=False)
    console.print("\n".join(header(result)), markup=False)
    for content in tables(result):
        table = extra("rich.table", "cli", "The report").Table(
            title=content.title, title_justify="left", header_style="bold", box=None
        )
        for i, heading in enumerate(content.headings):
            table.add_column(heading, justify="right" if i in content.numbers else "left")
        for row in content.rows:
            table.add_row(*map(_coloured, row))
        console.print()
        console.print(table)


def _coloured(cell: str) -> str:
    return {"met": "[green]met", "not met": "[red]not met"}.get(cell, cell)


def header(result: Result) -> list[str]:
    """The machine, how it was measured, and who else was there."""
    machine = result.machine
    device = [machine.device] if machine.device else []
    return [
        *device,
        f"{machine.cpu}, {machine.cores} cores, {' '.join(machine.features)}",
        f"torch {machine.torch} ({machine.torch_capability}), {machine.compiler}",
        f"ostinato {machine.ostinato}, {machine.system}, {machine.date} UTC",
        f"medians of {result.repeats} pairs of samples, taken in turn, float32; "
        f"{result.seconds:.0f} s in all",
        _company(result),
    ]


def _company(result: Result) -> str:
    if result.others is None:
        return "whether other processes used the machine is not known"
    worst = max((row.others or 0.0 for row in result.rows), default=0.0)
    shared = "shared" if result.others > 0.1 else "not shared"
    told = (
        f"machine {shared} with other processes: they used {result.others:.2f} cores on "
        f"average, {worst:.2f} during the worst row"
    )
    if any(row.crowded for row in result.rows) or any(row.crowded for row in result.compile):
        told += "; † = fewer cores were free than threads ran, so the number means little"
    return told


def to_json(result: Result) -> dict[str, Any]:
    """The result and its verdicts as plain JSON."""
    return asdict(result) | {"targets": [asdict(verdict) for verdict in verdicts(result)]}


def to_markdown(result: Result) -> str:
    """The tables as Markdown."""
    blocks = ["# Benchmark", "\n".join(f"- {line}" for line in header(result)), _LEGEND]
    blocks += [f"## {table.title}\n\n{_markdown(table)}" for table in tables(result)]
    return "\n\n".join(blocks) + "\n"


_LEGEND = (
    "A ratio is the time of the peer over that of ostinato's engine `fused`, or of what the case "
    "is named after: of the engine `parallel` or `chunk`, of what `auto` chose, of learning online "
    "by `rtrl`. Above 1, ostinato is faster. In brackets its quartiles. Every ratio "
    "was measured after outputs and all gradients of both sides agreed; the input is as wide as "
    "the state. *forward* is evaluation without gradient, *forward+backward* the gradients of the "
    "input and of all parameters."
)


def _markdown(table: Table) -> str:
    marks = ["---:" if i in table.numbers else "---" for i in range(len(table.headings))]
    lines: list[Sequence[str]] = [table.headings, marks, *table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def save(result: Result, folder: Path) -> list[Path]:
    """Write results.json, results.md and ratios.png into `folder`.

    Without matplotlib the picture is left out, for its numbers are in the other two.

    Returns:
        The files that were written.
    """
    contents = {
        "results.json": dumped(result).encode(),
        "results.md": to_markdown(result).encode(),
    }
    try:
        contents["ratios.png"] = picture(result)
    except MissingExtraError as error:
        print(error, file=sys.stderr)
    for name, content in contents.items():
        write(folder / name, content)
    return [folder / name for name in contents]


def dumped(result: Result) -> str:
    """The JSON as text."""
    return json.dumps(to_json(result), indent=1, ensure_ascii=False) + "\n"


def write(path: Path, content: bytes) -> None:
    """Write a file, or nothing of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)
