"""What Newton's method keeps for the gradient, and what it costs not to: `recompute=True`.

python -m ostinato.bench.newton_memory GRU:32 ParaGRU:64 ParaLSTM:64 --steps 2000 --rows 4

Kept is what the graph of a forward pass holds, parameters and inputs apart, each piece of memory
once. Times are of forward and backward, on one thread, both in turn.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ostinato.bench.command import status
from ostinato.bench.measure import compare
from ostinato.cells import make_cell
from ostinato.core.errors import ArgumentError, OstinatoError
from ostinato.engines.parallel.solves import newton
from ostinato.over.time import RNN
from ostinato.train.run import threads

_TITLE = ("cell", "kept, MiB", "with `recompute`", "ms", "with `recompute`", "times as long")
# What rounding leaves of a gradient in float32, relative, over some thousand steps.
_BOUND = 1e-3


class Kept(NamedTuple):
    """One cell, with Jacobians kept and found again.

    Attributes:
        mebibytes: that the graph holds.
        milliseconds: of forward and backward, medians.
        longer: median of the times of the second over those of the first.
    """

    mebibytes: tuple[float, float]
    milliseconds: tuple[float, float]
    longer: float


def measured(name: str, hidden: int, steps: int, rows: int, repeats: int) -> Kept:
    """Both ways of one cell.

    Args:
        name: of the cell.
        hidden: units, and features of the input.
        steps: T.
        rows: B.
        repeats: pairs of samples.

    Raises:
        OstinatoError: if the two gradients differ, or a window is not solved.
    """
    torch.manual_seed(0)
    layer = RNN(make_cell(name, hidden, hidden), "parallel")
    x = torch.randn(rows, steps, hidden)
    # Plans are tried, with a gradient, when they are made.
    right, found = (_gradients(layer, x, again) for again in (False, True))
    for a, b in zip(right, found, strict=True):
        error = float((a - b).norm() / a.norm())
        # Written so that NaN is an error.
        if not error <= _BOUND:
            raise OstinatoError(f"{name}: gradients with and without are apart by {error:.1e}.")
    sizes = tuple(kept_bytes(layer, x, again) / 2**20 for again in (False, True))
    timing = compare(
        lambda: _gradients(layer, x, True), lambda: _gradients(layer, x, False), repeats
    )
    return Kept((sizes[0], sizes[1]), (timing.peer_ms, timing.ours_ms), 1 / timing.ratio)


def kept_bytes(layer: RNN, x: Tensor, recompute: bool) -> int:
    """What the graph of a forward pass holds."""
    given = {tensor.data_ptr() for tensor in (x, *layer.parameters())}
    # The tensors themselves, so that no memory is given back and counted for another.
    held = dict[int, Tensor]()

    def keep(tensor: Tensor) -> Tensor:
        start = tensor.untyped_storage().data_ptr()
        if start not in given:
            held[start] = tensor
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, newton(unsolved="error", recompute=recompute):
        layer(x)
    return sum(tensor.untyped_storage().nbytes() for tensor in held.values())


def _gradients(layer: RNN, x: Tensor, recompute: bool) -> tuple[Tensor, ...]:
    with newton(unsolved="error", recompute=recompute):
        loss = layer(x)[0].square().sum()
    return torch.autograd.grad(loss, list(layer.parameters()))


def lines(cells: list[tuple[str, int]], steps: int, rows: int, repeats: int) -> Iterator[str]:
    """The table in Markdown, line by line as it is measured."""
    yield f"| {' | '.join(_TITLE)} |"
    yield f"|{'---|' * len(_TITLE)}"
    for name, hidden in cells:
        found = measured(name, hidden, steps, rows, repeats)
        numbers = [f"{size:.1f}" for size in found.mebibytes]
        numbers += [f"{time:.0f}" for time in found.milliseconds]
        yield f"| {' | '.join([f'`{name}`, {hidden}', *numbers, f'{found.longer:.2f}'])} |"


def _cell(text: str) -> tuple[str, int]:
    name, _, hidden = text.partition(":")
    if not hidden.isdecimal() or not int(hidden):
        raise ArgumentError(f"A cell is named with its units, as GRU:32; got {text!r}.")
    return name, int(hidden)


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    defaults = ["GRU:32", "ParaGRU:64", "ParaLSTM:64"]
    parser.add_argument("cells", nargs="*", default=defaults, help="CELL:UNITS")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args(arguments)
    cells = [_cell(text) for text in given.cells]
    with threads(1):
        for line in lines(cells, given.steps, given.rows, given.repeats):
            print(line, flush=True)


if __name__ == "__main__":
    sys.exit(status(main))
