"""Sparsity of recurrent nets: pruned ones recover, and the shape of random ones matters.

H. J. Darji, "Investigating Sparsity in Recurrent Neural Networks", 2024, arXiv 2407.20601.

Both on Reber's grammar: how far trained nets can be pruned, and how fast they recover
(`sparsity_pruning`); and which properties of a random graph go with the accuracy of the network in
its shape (`sparsity_graphs`).
"""

from __future__ import annotations

from dataclasses import dataclass

from ostinato.experiments import sparsity_graphs, sparsity_pruning
from ostinato.experiments.experiment import Experiment

__papers__ = ("sparsity",)


@dataclass(frozen=True)
class Scale:
    """Sizes of the parts.

    Attributes:
        pruning: of trained nets.
        graphs: of nets in the shape of graphs.
    """

    pruning: sparsity_pruning.Size
    graphs: sparsity_graphs.Size


EXPERIMENT = Experiment(
    slug="sparsity",
    title="Sparsity: pruning and recovery, and networks in the shape of random graphs",
    claims=(*sparsity_pruning.CLAIMS, *sparsity_graphs.CLAIMS),
    scales={
        "small": Scale(
            sparsity_pruning.Size(epochs=5),
            sparsity_graphs.Size(graphs=12),
        ),
        "paper": Scale(
            sparsity_pruning.Size(epochs=50, strings=18_750, units=50, layers=3),
            sparsity_graphs.Size(graphs=200, epochs=15, strings=18_750, joined=False),
        ),
    },
    measure={
        "pruning": lambda scale, *how: sparsity_pruning.measure(scale.pruning, *how),
        "graphs": lambda scale, *how: sparsity_graphs.measure(scale.graphs, *how),
    },
)
