"""The edges of a graph as what carries states: where they lead and meet, and their gates.

Source: Pöppel, Freinschlag, Schmied, Lin & Hochreiter 2025, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS, arXiv 2506.11997.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ostinato.over.dag import DAG

__papers__ = ("plstm",)


@dataclass(frozen=True)
class Edges:
    """E edges between nodes, and P pairs of them that meet.

    Attributes:
        ends: (2, E) nodes that each edge leaves and enters.
        line: a graph that has the edges as nodes and the pairs as edges.
        sources: (E,) the row of each edge among the source gates.
        turns: (P,) the row of each pair among the transitions.
        marks: (E,) the row of each edge among the marks.
    """

    ends: Tensor
    line: DAG
    sources: Tensor
    turns: Tensor
    marks: Tensor

    @cached_property
    def least(self) -> tuple[int, int, int, int]:
        """How many nodes, sources, turns and marks there must be at least."""
        lists = (self.ends, self.sources, self.turns, self.marks)
        nodes, *gates = (int(each.max()) + 1 if each.numel() else 0 for each in lists)
        return nodes, *gates  # type: ignore[return-value]

    @classmethod
    def in_order(cls, ends: Tensor, line: DAG) -> Edges:
        """Edges and pairs that have gates of their own, in the order of the lists."""
        each, pairs = (torch.arange(of.shape[1], device=ends.device) for of in (ends, line.edges))
        return cls(ends, line, each, pairs, each)
