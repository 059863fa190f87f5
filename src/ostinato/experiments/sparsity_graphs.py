"""Networks in the shape of random graphs, in the experiment on sparsity.

GRU networks (`StructuredCell`) in the shapes of Barabási–Albert and Watts–Strogatz graphs of 10 to
50 nodes learn Reber's grammar for three epochs of 4,000 strings, in batches of 128, and their
accuracy is correlated with properties of the graphs. Seeds have the same graphs, other weights and
strings. The embedding is as wide as a graph has sources, so that part of the strongest correlation,
that with the sources, is one with the width of the input.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from ostinato.analysis.graph_correlation import graph_correlation
from ostinato.analysis.graph_metrics import graph_metrics
from ostinato.cells.gru import GRUCell
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.experiments.sparsity_pruning import fit
from ostinato.models.graph.random_graph import random_graph
from ostinato.models.graph.structured_cell import StructuredCell
from ostinato.models.sequence_model import SequenceModel
from ostinato.over.dag import DAG
from ostinato.over.time import RNN
from ostinato.tasks.reber import ReberTask
from ostinato.train.evaluate import evaluate

BATCH = 128

SOURCES = Claim(
    "GRU in the shape of graphs: correlation of accuracy with the number of sources",
    "0.74 (200 graphs)",
    at_least=0.3,
    every_seed=False,
)
CLOSENESS = Claim(
    "GRU in the shape of graphs: correlation with the variance of closeness",
    "−0.67 (200 graphs)",
    at_most=0,
    every_seed=False,
)
CLAIMS = (SOURCES, CLOSENESS)


@dataclass(frozen=True)
class Size:
    """How many, and how long they train.

    Attributes:
        graphs: half of either family.
        epochs: of training.
        strings: of an epoch.
        joined: whether a level reads all levels before it by one cell, which is less to compile
            than the paper's cell for each pair.
        largest: nodes of a graph, at most.
    """

    graphs: int
    epochs: int = 3
    strings: int = 4000
    joined: bool = True
    largest: int = 50


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train a network in the shape of every graph, with the seeds 0 … seeds−1."""
    values: dict[Claim, list[float]] = {claim: [] for claim in CLAIMS}
    runs = list[list[float]]()
    graphs = sorted(drawn(size), key=lambda dag: int((dag.level == 0).sum()))
    properties = [graph_metrics(dag) for dag in graphs]
    for seed in range(seeds):
        scores, task = list[float](), ReberTask(seed)
        for dag in track(graphs, f"graphs, seed {seed}"):
            net = build(dag, size.joined, seed)
            fit(net, task, range(size.epochs * (size.strings // BATCH)), BATCH)
            scores.append(100 * evaluate(net, task, batch_size=250))
        runs.append(scores)
        found = graph_correlation(properties, scores, folds=3).correlations
        values[SOURCES].append(found["sources"])
        values[CLOSENESS].append(found["closeness variance"])
    sources = [graph.values["sources"] for graph in properties]
    curve = Curve("one graph each", sources, runs)
    return Measurement(values, [Panel("sources of the graph", "accuracy (%)", [curve])])


def drawn(size: Size) -> Iterator[DAG]:
    """Graphs of 10 to `largest` nodes, of the two families in turn."""
    generator = torch.Generator().manual_seed(0)
    for number in range(size.graphs):
        nodes = int(torch.randint(10, size.largest + 1, (), generator=generator))
        family = ("barabasi_albert", "watts_strogatz")[number % 2]
        yield random_graph(family, nodes, seed=number)


def build(dag: DAG, joined: bool, seed: int) -> SequenceModel:
    """An embedding as wide as the first level, the network, and an answer after the last letter."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        cell = StructuredCell(GRUCell, dag, joined=joined)
        embedding, head = nn.Embedding(128, cell.input_size), nn.Linear(cell.hidden_size, 2)
        return SequenceModel(embedding, RNN(cell), head, per_step=False)
