from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells.gated_linear_attention import GatedLinearAttentionCell
from ostinato.core.errors import ArgumentError

F64 = torch.float64


def made(**options):
    return GatedLinearAttentionCell(3, 8, heads=2, key_size=3, rank=2, dtype=F64, **options)


def parts(cell, x):
    """q, k and the decay (B, T, heads, K), v (B, T, heads, V)."""
    q, k, v = (x @ cell.input.weight.T).split([6, 6, 8], -1)
    low, high = cell.gate
    decay = torch.sigmoid(x @ low.weight.T @ high.weight.T + high.bias) ** (1 / cell.temperature)
    return [each.unflatten(-1, (2, -1)) for each in (q, k, decay, v)]


def test_the_step_by_its_equations():
    cell, x = made(temperature=2.0), torch.randn(2, 7, 3, dtype=F64)
    q, k, decay, v = parts(cell, x)
    y = ost.RNN(cell)(x)[0]
    state = torch.zeros(2, 2, 3, 4, dtype=F64)
    for t in range(7):
        state = torch.diag_embed(decay[:, t]) @ state
        state = state + torch.einsum("bhk,bhv->bhkv", k[:, t], v[:, t])
        expected = torch.einsum("bhk,bhkv->bhv", q[:, t], state) / 3**0.5
        torch.testing.assert_close(y[:, t], expected.flatten(1))


def test_with_equal_decays_it_is_attention_with_a_scalar_decay():
    cell, x = made(), torch.randn(2, 9, 3, dtype=F64)
    with torch.no_grad():
        cell.gate[1].weight.zero_()
        cell.gate[1].bias.fill_(-3.0)
    q, k, decay, v = parts(cell, x)
    age = torch.arange(9)[:, None] - torch.arange(9)
    weights = torch.where(age >= 0, decay[0, 0, 0, 0] ** age.clamp(min=0), 0)
    scores = torch.einsum("bihk,bjhk->bhij", q, k) * weights / 3**0.5
    expected = torch.einsum("bhij,bjhv->bihv", scores, v).flatten(2)
    torch.testing.assert_close(ost.RNN(cell)(x)[0], expected)


@pytest.mark.parametrize("engine", ["reference", "fused", "parallel"])
def test_decays_of_zero_and_one(engine):
    cell, x = GatedLinearAttentionCell(3, 2, key_size=2), torch.zeros(1, 9, 3)
    with torch.no_grad():
        cell.gate[1].bias.copy_(torch.tensor([-1e5, 1e5]))
    state = torch.ones(1, 1, 2, 2, requires_grad=True)
    last = ost.RNN(cell, engine)(x, state)[1]
    assert last.tolist() == [[[[0.0, 0.0], [1.0, 1.0]]]]
    last.sum().backward()
    assert state.grad.tolist() == [[[[0.0, 0.0], [1.0, 1.0]]]]
    assert all(p.grad is None or p.grad.isfinite().all() for p in cell.parameters())


def test_sizes_by_default_are_those_of_the_paper():
    cell = GatedLinearAttentionCell(64, 64, heads=4)
    assert cell.initial_state(3).shape == (3, 4, 8, 16)
    assert cell.gate[0].weight.shape == (16, 64)


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(ArgumentError, match="heads must divide the hidden size 8; got heads=3"):
        GatedLinearAttentionCell(3, 8, heads=3)
    with pytest.raises(ArgumentError, match="temperature=0"):
        GatedLinearAttentionCell(3, 8, temperature=0)
