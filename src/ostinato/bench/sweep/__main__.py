"""Measure one of the tables, or go on with it: `python -m ostinato.bench.sweep heads`."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from ostinato.bench.command import status
from ostinato.bench.machine import this_machine
from ostinato.bench.report import write
from ostinato.bench.sweep.ask import settle_precision
from ostinato.bench.sweep.ceilings import ceilings
from ostinato.bench.sweep.drawing import drawing
from ostinato.bench.sweep.grid import in_dtype, shortened
from ostinato.bench.sweep.grids import GRIDS
from ostinato.bench.sweep.page import page
from ostinato.bench.sweep.sheet import Sheet, load, save
from ostinato.bench.sweep.sweep import Patience, sweep
from ostinato.bench.sweep.worker import Worker
from ostinato.core.errors import MissingExtraError
from ostinato.experiments.report import progress


def main(arguments: list[str] | None = None) -> None:
    """Write NAME.json after every answer, then NAME.md and NAME.png, into OUT/<device>.

    NAME is that of the table, with the dtype behind it unless that is float32.
    """
    given = _parser().parse_args(arguments)
    whole = in_dtype(GRIDS[given.table], given.dtype)
    grid = shortened(whole) if given.quick else whole
    machine = this_machine(given.device)
    path = given.out / machine.slug / f"{grid.name}.json"
    sheet = load(path, machine, given.precision)
    worker = Worker(partial(settle_precision, given.precision))
    patience = Patience(given.budget, given.limit, 2 if given.quick else 9)
    numbers, side = (2**16, 64) if given.quick else (2**26, 4096)
    try:
        roof = worker.call(ceilings, given.device, numbers, side, given.dtype, wait=patience.wait)
        with progress() as track:
            entries = sweep(
                grid.questions(),
                given.device,
                patience,
                roof,
                worker,
                earlier=sheet.entries,
                store=lambda found: save(Sheet(sheet.machine, given.precision, found), path),
                track=track,
            )
    finally:
        worker.end()
    done = Sheet(sheet.machine, given.precision, entries)
    write(path.with_suffix(".md"), page(grid, done).encode())
    try:
        write(path.with_suffix(".png"), drawing(grid, done))
    except MissingExtraError as error:
        print(error, file=sys.stderr)
    print(f"{path}: {len(entries)} of {len(grid.questions())}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ostinato.bench.sweep", description=__doc__)
    parser.add_argument("table", choices=GRIDS)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--budget", type=float, default=500, help="seconds for this run")
    parser.add_argument("--limit", type=float, default=5, help="seconds for one size")
    parser.add_argument("--quick", action="store_true", help="least sizes, to see that all works")
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16", "float16"),
        default="float32",
        help="of weights, inputs and states",
    )
    parser.add_argument(
        "--precision",
        choices=("highest", "high", "medium"),
        default="highest",
        help="of products in float32, as torch names it",
    )
    return parser


if __name__ == "__main__":
    sys.exit(status(main))
