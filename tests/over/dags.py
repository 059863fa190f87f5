"""Graphs that tests share."""

from __future__ import annotations

import torch

from ostinato.over.dag import DAG

DIAMOND = torch.tensor([[0, 0, 1, 2, 0], [1, 2, 3, 3, 3]])


def random_dag(nodes, edges, seed=0):
    generator = torch.Generator().manual_seed(seed)
    ends = torch.randint(nodes, (2, edges), generator=generator)
    names = torch.randperm(nodes, generator=generator)
    return DAG(names[ends[:, ends[0] != ends[1]].sort(0).values], nodes)
