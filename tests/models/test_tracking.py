from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.models.tracking import Tracking


def test_pairs_stand_in_the_order_of_the_gates():
    j = Tracking(keys=2, values=3, queries=2, outputs=3)
    q, k, v = (torch.arange(float(n))[:, None] for n in (2, 2, 3))
    queries, keys, values = (each.squeeze(-1).tolist() for each in j.paired(q, k, v))
    assert queries == [0, 1] * j.outputs
    assert list(zip(keys, values, strict=True)) == [(a, b) for a in range(2) for b in range(3)]
    assert (len(queries), len(keys)) == (j.read, j.written)
    assert j.summed(torch.arange(6.0)[:, None]).squeeze(-1).tolist() == [1, 5, 9]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ArgumentError, match="states must be at least 1; got 0"):
        Tracking(states=0)
    assert Tracking(keys=2, queries=2).vectors(tied=True) == (2, 1)
    with pytest.raises(ArgumentError, match="where they are as many; got 2 and 1"):
        Tracking(queries=2).vectors(tied=True)
