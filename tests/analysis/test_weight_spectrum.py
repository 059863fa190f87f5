from __future__ import annotations

import pytest
import torch
from torch import nn

from ostinato.analysis.weight_spectrum import weight_spectrum
from ostinato.cells import make_cell
from ostinato.core.errors import ArgumentError
from ostinato.wrap.recurrent_connectivity import restrict_recurrence


def test_a_known_matrix():
    cell = make_cell("Elman", 3, 2)
    with torch.no_grad():
        cell.recur.weight.copy_(torch.tensor([[0.0, -2.0], [0.5, 0.0]]))
    found = weight_spectrum(cell)
    assert found.radius.item() == pytest.approx(1.0)  # ±i
    assert found.norm.item() == pytest.approx(2.0)
    assert found.predicted_radius.item() == pytest.approx((4.25 / 2) ** 0.5)
    assert found.table().rows == [
        ("recur.weight[0]", *(pytest.approx(v) for v in (1.0, 2.125**0.5, 2.0, 2, 0.5)))
    ]


def test_every_gate_as_it_is_parametrised():
    cell = restrict_recurrence(make_cell("CfC", 3, 10), rank=2, sparsity=0.5)
    found = weight_spectrum(cell)
    assert found.names == tuple(f"recur.weight[{k}]" for k in range(4))
    assert float(found.sparsity.mean()) == pytest.approx(0.5)
    assert len(found.plot().axes[0].collections) == 4


def test_a_cell_without_such_a_matrix():
    with pytest.raises(ArgumentError, match="LRUCell has no square matrix"):
        weight_spectrum(make_cell("LRU", 3, 4))
    projected = make_cell("LSTM", 3, 4, projection=3)
    assert isinstance(projected.recur, nn.Linear)
    with pytest.raises(ArgumentError, match="no square matrix"):
        weight_spectrum(projected)
