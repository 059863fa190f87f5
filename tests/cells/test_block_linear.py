from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.cells.block_linear import BlockLinear, stacked_linear
from ostinato.core.errors import ArgumentError

X = torch.randn(2, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("heads", "parts"), [(1, 1), (2, 1), (2, 3), (3, 2)])
def test_it_is_the_dense_map_of_its_weight(heads, parts):
    layer = BlockLinear(6, 12, heads, parts, dtype=torch.float64)
    blocks = layer.weight.unflatten(1, (parts, -1)).unbind(1)
    dense = torch.cat([torch.block_diag(*part) for part in blocks])
    expected = X @ dense.T + layer.bias
    torch.testing.assert_close(layer(X), expected, atol=1e-13, rtol=0)
    assert layer.weight.numel() == parts * 12 * 6 // heads


def test_a_head_reaches_only_its_slice_of_every_part():
    layer = BlockLinear(6, 4, 2, 3, bias=False, dtype=torch.float64)
    reached = torch.func.jacrev(layer)(X[0, 0]).abs() > 0
    quarter = torch.tensor([[1, 1, 1, 0, 0, 0]] * 2 + [[0, 0, 0, 1, 1, 1]] * 2).bool()
    assert torch.equal(reached, quarter.repeat(3, 1))


def test_one_head_is_an_ordinary_map():
    assert type(stacked_linear(4, 5, 1, 3, True, None, None)) is torch.nn.Linear
    assert stacked_linear(4, 6, 2, 3, False, None, None).bias is None


def test_sizes_that_heads_do_not_divide():
    with pytest.raises(ArgumentError, match=r"heads must divide the input size 6 .* heads=4"):
        BlockLinear(6, 8, 4)


IN_HEADS = {
    "Elman": {},
    "LSTM": {"recurrent_bias": True},
    "GRU": {},
    "GRU, reset before": {"reset_after": False},
    "SLSTM": {},
}


@pytest.mark.parametrize("name", IN_HEADS)
def test_a_cell_in_heads_is_a_dense_one_whose_recurrent_matrix_is_block_diagonal(name):
    torch.manual_seed(0)
    kind, sizes = name.partition(",")[0], (3, 6)
    cell = make_cell(kind, *sizes, heads=3, dtype=torch.float64, **IN_HEADS[name])
    dense = make_cell(kind, *sizes, dtype=torch.float64, **IN_HEADS[name])
    torch.nn.init.normal_(cell.recur.weight)
    own, weights = dense.state_dict(), cell.state_dict()
    for key, value in weights.items():
        if value.dim() == 3:
            parts = value.unflatten(1, (-1, 2)).unbind(1)
            value = torch.cat([torch.block_diag(*part) for part in parts]).view_as(own[key])
        own[key].copy_(value)
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    expected = ost.RNN(dense, "reference")(x)[0]
    for engine in ("reference", "auto"):
        torch.testing.assert_close(ost.RNN(cell, engine)(x)[0], expected, atol=1e-14, rtol=0)


@pytest.mark.parametrize("name", ["Elman", "LSTM", "GRU", "SLSTM"])
def test_heads_have_to_divide_the_state(name):
    with pytest.raises(ArgumentError, match=r"heads must divide .* 6; got heads=4"):
        make_cell(name, 3, 6, heads=4)
