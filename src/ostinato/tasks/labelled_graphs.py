"""Batches of graphs with labels, each with one answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ostinato.over.dag import DAG
from ostinato.tasks.arguments import require_at_least, require_one_of
from ostinato.tasks.split import epoch_rows


@dataclass(frozen=True)
class LabelledGraph:
    """A graph, or several side by side.

    Attributes:
        labels: of the nodes (N,) int64.
        dag: the edges.
        targets: of the graphs (B,) int64.
        edge_labels: of the edges (E,) int64; None: they have none.
    """

    labels: Tensor
    dag: DAG
    targets: Tensor
    edge_labels: Tensor | None = None

    @classmethod
    def join(cls, graphs: Sequence[LabelledGraph]) -> LabelledGraph:
        """Several as one; either all have labels of edges, or none."""
        edge_labels = [each.edge_labels for each in graphs if each.edge_labels is not None]
        return cls(
            torch.cat([each.labels for each in graphs]),
            DAG.join([each.dag for each in graphs]),
            torch.cat([each.targets for each in graphs]),
            torch.cat(edge_labels) if edge_labels else None,
        )


class LabelledGraphsTask:
    """Answer for every graph of a batch.

    Args:
        graphs: by split, "train" and "valid".
        seed: what the order of the training graphs derives from.
    """

    def __init__(self, graphs: Mapping[str, Sequence[LabelledGraph]], seed: int) -> None:
        self.graphs, self.seed = graphs, seed

    def batch(self, step: int, batch_size: int) -> LabelledGraph:
        """The training batch of `step`: a pure function of its arguments."""
        require_at_least(1, batch_size=batch_size)
        graphs = self.graphs["train"]
        rows = epoch_rows(len(graphs), step, batch_size, self.seed)
        return LabelledGraph.join([graphs[row] for row in rows.tolist()])

    def held_out(self, split: str = "valid", batch_size: int = 50) -> Iterator[LabelledGraph]:
        """The held-out graphs, in a fixed order."""
        require_one_of(("valid",), split=split)
        graphs = self.graphs[split]
        for begin in range(0, len(graphs), batch_size):
            yield LabelledGraph.join(graphs[begin : begin + batch_size])

    def describe(self) -> dict[str, Any]:
        """The seed, and how many graphs each split has."""
        counts = {split: len(graphs) for split, graphs in self.graphs.items()}
        return {"graphs": counts, "seed": self.seed}
