"""What kernels of the fused engine need of a device, compiled without one.

python -m ostinato.bench.device_code LSTM GRU --hidden 64,128
"""

from __future__ import annotations

import argparse
import sys

import torch

from ostinato.bench.command import status
from ostinato.cells import make_cell
from ostinato.compiler.fission import split
from ostinato.compiler.trace import trace
from ostinato.core.cell import Cell
from ostinato.core.state import State, leaves
from ostinato.engines.fused.device.ahead import Resources, resources
from ostinato.engines.fused.device.forms import ALTERNATING, ON_CHIP, PERSISTENT
from ostinato.engines.fused.device.kernel import DeviceKernel
from ostinato.engines.fused.lower import lower
from ostinato.engines.rates import Rates

_TITLE = ("cell", "H", "function", "rows", "warps", "registers", "spilled", "shared", "barriers")


def kernel_of(cell: Cell, input_size: int, form: str | None = None) -> DeviceKernel:
    """The kernels of a cell, in the precision of its state.

    Args:
        cell: the cell.
        input_size: D.
        form: that loops take; None: the one that is estimated to be the fastest.
    """

    def step(state: State, x: torch.Tensor) -> tuple[State, State]:
        y, new = cell(x, state)
        return new, y

    state = cell.initial_state(2)
    dtype = leaves(state)[0].dtype
    traced = trace(step, state, torch.zeros(2, input_size, dtype=dtype))
    return DeviceKernel(lower(split(traced)), dtype, wanted=form)


def line(cell: str, hidden: int, found: Resources) -> tuple[str, ...]:
    """A row of the table."""
    values = (found.name, found.tile.rows, found.tile.warps, found.registers, found.spilled)
    return (cell, str(hidden), *map(str, values), str(found.shared), str(found.barriers))


def _sizes(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def main(arguments: list[str] | None = None) -> None:
    """Print a table: registers and spilled bytes of a thread, shared bytes of a program."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("cells", nargs="+", help="names of cells")
    parser.add_argument("--hidden", type=_sizes, default="64", help="H, with commas between them")
    parser.add_argument("--rows", type=int, default=32, help="B")
    parser.add_argument("--precision", choices=Rates().multiply, default="ieee", help="of products")
    parser.add_argument(
        "--form",
        choices=(ON_CHIP, ALTERNATING, PERSISTENT),
        help="of loops; the fastest if it is left out",
    )
    given = parser.parse_args(arguments)
    print(*(f"{title:>14}" for title in _TITLE))
    for name in given.cells:
        for hidden in given.hidden:
            kernel = kernel_of(make_cell(name, hidden, hidden), hidden, given.form)
            for found in resources(kernel, given.rows, given.precision):
                print(*(f"{word:>14}" for word in line(name, hidden, found)), flush=True)


if __name__ == "__main__":
    sys.exit(status(main))
