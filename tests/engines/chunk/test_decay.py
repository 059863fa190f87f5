from __future__ import annotations

import pytest
import torch

from ostinato.engines.chunk.decay import KeyDecay, SharedDecay, make_decay

F64 = torch.float64
SIZE, KEYS = 8, 3


def made(form, updates):
    g = -torch.rand(2, SIZE, KEYS if form is KeyDecay else 1, dtype=F64) * 3
    gamma = g.cumsum(-2)
    step = torch.arange(SIZE)
    between = gamma[:, :, None] - gamma[:, None]
    between = torch.where((step[:, None] >= step)[..., None], between, -torch.inf).exp()
    decay = make_decay(gamma, F64)
    assert type(decay) is form
    return decay, between.repeat_interleave(updates, 2).expand(-1, -1, -1, KEYS)


@pytest.mark.parametrize("updates", [1, 3])
@pytest.mark.parametrize("form", [SharedDecay, KeyDecay])
def test_products_and_their_gradients(form, updates):
    decay, between = made(form, updates)
    x = torch.randn(2, SIZE, KEYS, dtype=F64, requires_grad=True)
    y = torch.randn(2, SIZE * updates, KEYS, dtype=F64, requires_grad=True)
    expected = torch.einsum("bik,bjk,bijk->bij", x, y, between)
    torch.testing.assert_close(decay.scores(x, y), expected)
    weights = torch.randn_like(expected) * (between[..., 0] > 0)
    grad_x, grad_y = torch.autograd.grad(expected, (x, y), weights)
    torch.testing.assert_close(decay.to_rows(weights, y), grad_x)
    torch.testing.assert_close(decay.to_columns(weights, x), grad_y)


@pytest.mark.parametrize("form", [SharedDecay, KeyDecay])
def test_no_exponent_is_positive(form):
    g = torch.full((SIZE, KEYS if form is KeyDecay else 1), -700.0, dtype=F64)
    decay = make_decay(g.cumsum(0), torch.float32)
    found = decay.scores(torch.ones(SIZE, KEYS), torch.ones(SIZE, KEYS))
    assert found.equal(KEYS * torch.eye(SIZE))
    assert decay.leaving[-1].eq(1).all()
