"""How many times as fast graphs are in generated code as level by level in torch.

python -m ostinato.bench.graph_rate --repeats 9

One thread, 64 units, the mean of the states that reach a node. Nodes of a tree send to their
parent, nodes of levels to two of the next.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ostinato.bench.command import status
from ostinato.bench.machine import Company, crowded, this_machine
from ostinato.bench.measure import MODES, compare
from ostinato.cells import make_cell
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError, OstinatoError
from ostinato.over.dag import DAG
from ostinato.over.graph import GraphRNN
from ostinato.train.run import threads

CELLS = ("GRU", "LSTM", "LayerNormLSTM")
_UNITS = 64
# What rounding in float32 leaves, relative to the numbers themselves, stays ten times below.
_BOUND = 1e-4


def tree(depth: int) -> DAG:
    """A binary tree of 2^depth − 1 nodes; edges lead to the root."""
    child = torch.arange(1, 2**depth - 1)
    return DAG(torch.stack([child, (child - 1) // 2]))


def levels(count: int, width: int) -> DAG:
    """Levels of alike size: from every node an edge to the same place and one to that beside."""
    source = torch.arange((count - 1) * width)
    place = source % width
    beside = source - place + (place + 1) % width
    return DAG(torch.cat([torch.stack([source, to + width]) for to in (source, beside)], 1))


GRAPHS: dict[str, Callable[[], DAG]] = {
    "binary tree, 1,023 nodes": lambda: tree(10),
    "100 levels of 8": lambda: levels(100, 8),
    "50 levels of 256": lambda: levels(50, 256),
}


def ratios(name: str, dag: DAG, repeats: int) -> tuple[float, ...]:
    """Time of the reference over that of generated code, in every mode.

    Args:
        name: of the cell.
        dag: the graph.
        repeats: pairs of samples behind each ratio.

    Raises:
        OstinatoError: if they do not compute the same.
    """
    torch.manual_seed(0)
    cell, x = make_cell(name, _UNITS, _UNITS), torch.randn(dag.nodes, _UNITS)
    x.requires_grad_()
    found = []
    with threads(1):
        for mode in MODES:
            ours, other = (_pass(cell, engine, x, dag, mode) for engine in ("fused", "reference"))
            _check(name, ours(), other())
            found.append(compare(ours, other, repeats).ratio)
    return tuple(found)


def _pass(cell: Cell, engine: str, x: Tensor, dag: DAG, mode: str) -> Callable[[], list[Tensor]]:
    layer = GraphRNN(cell, reduce="mean", engine=engine)

    def forward() -> list[Tensor]:
        with torch.no_grad():
            return [layer(x, dag)[0]]

    def both() -> list[Tensor]:
        return list(torch.autograd.grad(layer(x, dag)[0].sum(), [x, *cell.parameters()]))

    return forward if mode == MODES[0] else both


def _check(name: str, found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    for a, b in zip(found, expected, strict=True):
        error = float((a - b).norm() / b.norm())
        # Written so that NaN is an error.
        if not error <= _BOUND:
            raise OstinatoError(f"{name} over a graph in generated code is off by {error:.1e}.")


def lines(repeats: int) -> Iterator[str]:
    """The table in Markdown, line by line as it is measured."""
    yield f"| {' / '.join(MODES)} | {' | '.join(GRAPHS)} |"
    yield f"|{'---|' * (1 + len(GRAPHS))}"
    graphs = [make() for make in GRAPHS.values()]
    for name in CELLS:
        told = []
        for dag in graphs:
            company = Company()
            pair = " / ".join(f"{ratio:#.2g}".rstrip(".") for ratio in ratios(name, dag, repeats))
            told.append(pair + " †" * crowded(1, company.cores()))
        yield f"| {name} | {' | '.join(told)} |"


def main(arguments: list[str] | None = None) -> None:
    """Print the table; † marks where others took the core."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=5, help="pairs of samples, at least 1")
    given = parser.parse_args(arguments)
    if given.repeats < 1:
        raise ArgumentError(f"--repeats must be at least 1; got {given.repeats}.")
    machine = this_machine()
    print(f"{machine.cpu}, torch {machine.torch}\n")
    for line in lines(given.repeats):
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(status(main))
