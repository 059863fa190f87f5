"""The adapter of flash-linear-attention, with its function in plain torch."""

from __future__ import annotations

import pytest
import torch

from ostinato.cells import make_cell

from .conftest import assert_same, reason


def chunk_gla(
    q, k, v, g, scale=None, initial_state=None, output_final_state=False, cu_seqlens=None
):
    """q, k, g (B, T, H, K), v (B, T, H, V), states (B, H, K, V); g is the logarithm."""
    assert q.shape == k.shape == g.shape
    assert q.shape[:3] == v.shape[:3]
    assert output_final_state
    state, ys = initial_state, []
    for t in range(q.shape[1]):
        state = g[:, t, ..., None].exp() * state + k[:, t, ..., None] * v[:, t, :, None]
        ys.append(scale * torch.einsum("bhk,bhkv->bhv", q[:, t], state))
    return torch.stack(ys, 1), state


@pytest.fixture(autouse=True)
def peer(install):
    install(fla={}, fla__ops={}, fla__ops__gla={"chunk_gla": chunk_gla})


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("heads", "key_size"), [(1, None), (2, 3)])
def test_values_and_gradients(heads, key_size, reverse):
    cell = make_cell("GatedLinearAttention", 3, 8, heads=heads, key_size=key_size)
    state = (torch.randn(2, heads, cell.key_size, cell.value_size),)
    x = torch.randn(2, 6, 3)
    assert_same(cell, "flash-linear-attention", x, state=state, reverse=reverse)


def test_other_cells():
    said = reason(make_cell("LSTM", 3, 4), "flash-linear-attention", torch.randn(2, 5, 3))
    assert said == "the step is no cell of gated linear attention"
