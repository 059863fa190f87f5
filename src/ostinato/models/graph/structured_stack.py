"""A recurrent network in the shape of a graph: every node a unit, every level a layer.

    y^t = cell(y^{t−1}; input weights masked to the edges between levels t − 1 and t)
          + Σ over s ≤ t − 2 with edges to t of cell_st(y^s; masked likewise)

Within a level all units see each other's last state. A level further back adds a layer of its own
for each pair, its output after the nonlinearity; or, joined, one layer reads all levels before it,
which is what evaluating node by node means.

Source: Darji 2024, "Investigating sparsity in recurrent neural networks", arXiv 2407.20601.
Deviation: masks are the same in every gate. The published code repeats rows so that the gates of
a unit get the masks of other units, which is the same only where there is one gate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor, nn

from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError
from ostinato.core.state import State
from ostinato.over.dag import DAG
from ostinato.over.layer import Options, SequenceLayer
from ostinato.over.time import RNN
from ostinato.wrap.weights import Mask, parametrise

__papers__ = ("sparsity",)


class StructuredStack(SequenceLayer):
    """Layers over time that are joined as the levels of a DAG; the output is that of the last.

    For example::

        dag = random_graph("watts_strogatz", 20, seed=0)
        layer = StructuredStack(GRUCell, dag)
        y, state = layer(x)                 # x (B, T, layer.sizes[0]), y (B, T, layer.sizes[-1])

    Args:
        cell: (input size, hidden size) to a cell with a linear map called `input`.
        dag: one node for each unit.
        joined: whether a level reads all levels before it by one layer; False: by a layer for
            each, whose outputs are added.
        engine: as for `RNN`.

    Attributes:
        sizes: units of each level; the first is also the size of the input.
        reads: of each layer its level, and the levels that it reads.

    Raises:
        ArgumentError: if the graph has no node.
    """

    def __init__(
        self,
        cell: Callable[[int, int], Cell],
        dag: DAG,
        *,
        joined: bool = False,
        engine: str = "auto",
    ) -> None:
        super().__init__()
        if not dag.nodes:
            raise ArgumentError("A structured stack needs a graph with at least one node.")
        levels = [(dag.level == k).nonzero().flatten() for k in range(int(dag.level.max()) + 1)]
        self.sizes = tuple(len(nodes) for nodes in levels)
        adjacency = torch.zeros(dag.nodes, dag.nodes, dtype=torch.bool)
        adjacency[dag.edges[1], dag.edges[0]] = True
        self.reads: list[tuple[int, tuple[int, ...]]] = [(0, ())]
        layers = [RNN(cell(self.sizes[0], self.sizes[0]), engine)]
        for target, sources in _reads(levels, adjacency, joined):
            edges = torch.cat([adjacency[levels[target]][:, levels[s]] for s in sources], 1)
            self.reads.append((target, sources))
            layers.append(RNN(_masked(cell, edges), engine))
        self.layers = nn.ModuleList(layers)

    def initial_state(self, batch_size: int) -> State:
        """The tuple of the layers' initial states."""
        return tuple(layer.initial_state(batch_size) for layer in self._layers)

    def sample_noise(
        self, batch_size: int, steps: int, generator: Generator | None = None
    ) -> State | None:
        """The tuple of the layers' noise; None if none of them draws any."""
        noise = tuple(each.sample_noise(batch_size, steps, generator) for each in self._layers)
        return None if all(each is None for each in noise) else noise

    def run(self, x: Tensor, state: State | None, options: Options) -> tuple[Any, ...]:
        """Run over x (B, T, D); returns outputs, state[, states]."""
        noises = options.noise or (None,) * len(self.layers)
        states = state or (None,) * len(self.layers)
        rest = list[tuple[Any, ...]]()

        def through(k: int, inputs: Tensor) -> Tensor:
            given = replace(options, noise=noises[k])
            y, *others = self._layers[k].run(inputs, states[k], given)
            rest.append(tuple(others))
            return y  # type: ignore[no-any-return]

        y = self._flow(x, through)
        return (y, *zip(*rest, strict=True))

    def step(
        self, x: Tensor, state: State | None = None, noise: State | None = None
    ) -> tuple[Tensor, State]:
        """Run one step of a stream; see `SequenceLayer.step`."""
        noises = noise or (None,) * len(self.layers)
        states = state or (None,) * len(self.layers)
        new = list[State]()

        def through(k: int, inputs: Tensor) -> Tensor:
            y, after = self._layers[k].step(inputs, states[k], noises[k])
            new.append(after)
            return y  # type: ignore[no-any-return]

        return self._flow(x, through), tuple(new)

    def _flow(self, x: Tensor, through: Callable[[int, Tensor], Tensor]) -> Tensor:
        """From the input to the last level, layer k by `through`."""
        outputs = [through(0, x)]
        for k, (target, sources) in enumerate(self.reads[1:], 1):
            y = through(k, torch.cat([outputs[s] for s in sources], -1))
            if target == len(outputs):
                outputs.append(y)
            else:
                outputs[target] = outputs[target] + y
        return outputs[-1]

    @property
    def _layers(self) -> list[RNN]:
        return [*self.layers]  # type: ignore[list-item]


def _reads(
    levels: list[Tensor], adjacency: Tensor, joined: bool
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Of each layer its level and the levels that it reads, the one before it first."""
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
