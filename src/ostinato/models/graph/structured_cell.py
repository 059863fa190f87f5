"""A recurrent network in the shape of a graph: every node a unit, every level a group of units.

    y^t = cell(y^{t−1}; input weights masked to the edges between levels t − 1 and t)
          + Σ over s ≤ t − 2 with edges to t of cell_st(y^s; masked likewise)

Within a level all units see each other's last state. A level further back adds a cell of its own
for each pair, its output after the nonlinearity; or, joined, one cell reads all levels before it,
which is what evaluating node by node means. All levels pass within one step.

Source: Darji 2024, "Investigating sparsity in recurrent neural networks", arXiv 2407.20601.
Deviation: masks are the same in every gate. The published code repeats rows so that the gates of
a unit get the masks of other units, which is the same only where there is one gate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError
from ostinato.core.state import State
from ostinato.over.dag import DAG
from ostinato.wrap.weights import Mask, parametrise

__papers__ = ("sparsity",)


class StructuredCell(Cell):
    """Cells that are joined as the levels of a DAG; the output is that of the last level.

    For example::

        dag = random_graph("watts_strogatz", 20, seed=0)
        layer = ost.RNN(StructuredCell(GRUCell, dag))
        y, state = layer(x)                 # x (B, T, cell.input_size), y (B, T, cell.hidden_size)

    Args:
        cell: (input size, hidden size) to a cell with a linear map called `input`.
        dag: one node for each unit.
        joined: whether a level reads all levels before it by one cell; False: by a cell for
            each, whose outputs are added.

    Attributes:
        sizes: units of each level; the first is also the size of the input.
        reads: of each cell its level, and the levels that it reads.

    Shapes: x (B, sizes[0]); output (B, sizes[-1]); the state is a tuple of the cells' states.

    Raises:
        ArgumentError: if the graph has no node.
    """

    def __init__(self, cell: Callable[[int, int], Cell], dag: DAG, *, joined: bool = False) -> None:
        super().__init__()
        if not dag.nodes:
            raise ArgumentError("A structured cell needs a graph with at least one node.")
        levels = [(dag.level == k).nonzero().flatten() for k in range(int(dag.level.max()) + 1)]
        self.sizes = tuple(len(nodes) for nodes in levels)
        self.input_size, self.hidden_size = self.sizes[0], self.sizes[-1]
        adjacency = torch.zeros(dag.nodes, dag.nodes, dtype=torch.bool)
        adjacency[dag.edges[1], dag.edges[0]] = True
        self.reads: list[tuple[int, tuple[int, ...]]] = [(0, ())]
        cells = [cell(self.sizes[0], self.sizes[0])]
        for target, sources in _reads(levels, adjacency, joined):
            edges = torch.cat([adjacency[levels[target]][:, levels[s]] for s in sources], 1)
            self.reads.append((target, sources))
            cells.append(_masked(cell, edges))
        self.cells = nn.ModuleList(cells)

    def initial_state(self, batch_size: int) -> State:
        """The tuple of the cells' initial states."""
        return tuple(cell.initial_state(batch_size) for cell in self.cells)  # type: ignore[operator]

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One step: x (B, D) through all levels."""
        outputs, new = list[Tensor](), list[State]()
        for cell, before, (target, sources) in zip(self.cells, state, self.reads, strict=True):
            seen = torch.cat([outputs[s] for s in sources], -1) if sources else x
            y, after = cell(seen, before)
            new.append(after)
            if target == len(outputs):
                outputs.append(y)
            else:
                outputs[target] = outputs[target] + y
        return outputs[-1], tuple(new)


def _reads(
    levels: list[Tensor], adjacency: Tensor, joined: bool
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Of each cell its level and the levels that it reads, the one before it first."""
    for target in range(1, len(levels)):
        sources = tuple(
            s for s in range(target - 1, -1, -1) if adjacency[levels[target]][:, levels[s]].any()
        )
        if joined:
            yield target, sources
        else:
            yield from ((target, (source,)) for source in sources)


def _masked(cell: Callable[[int, int], Cell], edges: Tensor) -> Cell:
    """A cell whose input weights are masked to edges (H, N), in every gate alike."""
    units, sources = edges.shape
    made = cell(sources, units)
    gates = len(made.get_parameter("input.weight")) // units
    return parametrise(made, {"input.weight": Mask.adjacency(edges, gates)})
