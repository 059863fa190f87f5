"""The adapter of flash-linear-attention, with its functions in plain torch."""

from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell

from .conftest import assert_same, reason
from .fla_functions import MODULES

ENGINE = "flash-linear-attention"


@pytest.fixture(autouse=True)
def peer(install):
    install(**MODULES)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("heads", "key_size"), [(1, None), (2, 3)])
def test_values_and_gradients(heads, key_size, reverse):
    cell = make_cell("GatedLinearAttention", 3, 8, heads=heads, key_size=key_size)
    state = (torch.randn(2, heads, cell.key_size, cell.value_size),)
    x = torch.randn(2, 6, 3)
    assert_same(cell, ENGINE, x, state=state, reverse=reverse)


@pytest.mark.parametrize("name", ["GatedDeltaProduct", "Mamba2", "MLSTM", "RWKV7"])
def test_cells_with_a_matrix(name):
    assert_same(make_cell(name, 3, 8, heads=2), ENGINE, torch.randn(2, 6, 3))


def test_lengths_and_resets():
    cell, x = make_cell("GatedDeltaNet", 3, 8), torch.randn(2, 6, 3)
    resets = torch.zeros(2, 6, dtype=torch.bool)
    resets[1, 3] = True
    found, expected = (
        ost.RNN(cell, engine)(x, lengths=[6, 5], resets=resets) for engine in (ENGINE, "reference")
    )
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_what_it_declines():
    x = torch.randn(2, 5, 3)
    assert "not a MatrixCell" in reason(make_cell("LSTM", 3, 4), ENGINE, x)
    assert "float32 or less" in reason(make_cell("Mamba2", 3, 4).double(), ENGINE, x.double())


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16])
def test_low_precision(stored):
    cell, x = make_cell("GatedDeltaProduct", 3, 8).to(stored), torch.randn(2, 6, 3).to(stored)
    with torch.autocast("cpu", torch.bfloat16, enabled=stored == torch.float32):
        (y, state), expected = (ost.RNN(cell, engine)(x) for engine in (ENGINE, "chunk"))
    assert y.dtype == state.dtype == stored
    torch.testing.assert_close((y, state), expected, rtol=2e-2, atol=1e-2)
    assert not y.equal(expected[0])
