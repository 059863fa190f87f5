from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells.elman import ElmanCell
from ostinato.core.errors import ArgumentError


def test_irnn_sums_its_inputs():
    cell = ElmanCell(4, 4, activation="relu", bias=False)
    with torch.no_grad():
        cell.input.weight.copy_(torch.eye(4))
        cell.recur.weight.copy_(torch.eye(4))
    x = torch.rand(2, 9, 4)
    assert torch.allclose(ost.RNN(cell)(x)[0], x.cumsum(1))


def test_backpropagation_through_time_by_its_formula():
    """δ_t = φ'(a_t) ⊙ (∂L/∂h_t + Uᵀ δ_{t+1}); ∂U = Σ δ_t h_{t−1}ᵀ, ∂W = Σ δ_t x_tᵀ, ∂b = Σ δ_t."""
    cell = ElmanCell(3, 5).double()
    x, T = torch.randn(1, 6, 3, dtype=torch.float64), 6
    y, _ = ost.RNN(cell)(x)
    target = torch.randn_like(y)
    (y - target).square().sum().backward()
    U, h = cell.recur.weight.detach(), y.detach()[0]
    before = torch.cat([torch.zeros(1, 5, dtype=torch.float64), h[:-1]])
    delta = torch.zeros(T + 1, 5, dtype=torch.float64)
    for t in reversed(range(T)):
        delta[t] = (1 - h[t] ** 2) * (2 * (h[t] - target[0, t]) + U.T @ delta[t + 1])
    delta = delta[:T]
    torch.testing.assert_close(cell.recur.weight.grad, delta.T @ before, atol=1e-12, rtol=1e-10)
    torch.testing.assert_close(cell.input.weight.grad, delta.T @ x[0], atol=1e-12, rtol=1e-10)
    torch.testing.assert_close(cell.input.bias.grad, delta.sum(0), atol=1e-12, rtol=1e-10)


def test_gradients_vanish_at_least_as_fast_as_the_bound():
    """‖∂h_t/∂h_k‖ ≤ (γ ‖U‖)^{t−k} with γ = max φ' = 1 for tanh."""
    cell = ElmanCell(2, 6).double()
    norm = torch.linalg.matrix_norm(cell.recur.weight.detach(), 2)
    h = torch.randn(1, 6, dtype=torch.float64)
    for steps in (1, 4, 16):
        x = torch.randn(1, steps, 2, dtype=torch.float64)
        jacobian = torch.func.jacrev(lambda h, x=x: ost.RNN(cell)(x, h)[1][0])(h)[:, 0]
        assert torch.linalg.matrix_norm(jacobian, 2) <= norm**steps * (1 + 1e-12)


def test_an_orthogonal_linear_network_keeps_the_gradient():
    cell = ElmanCell(2, 6, activation="identity").double()
    torch.nn.init.orthogonal_(cell.recur.weight)
    h = torch.randn(1, 6, dtype=torch.float64, requires_grad=True)
    _, last = ost.RNN(cell)(torch.randn(1, 50, 2, dtype=torch.float64), h)
    direction = torch.randn_like(last)
    (gradient,) = torch.autograd.grad((last * direction).sum(), h)
    torch.testing.assert_close(gradient.norm(), direction.norm(), rtol=1e-10, atol=0)


def test_any_function_is_an_activation_and_unknown_names_are_told():
    cell = ElmanCell(3, 4, activation=torch.sin)
    assert ost.RNN(cell)(torch.randn(2, 5, 3))[0].abs().max() <= 1
    with pytest.raises(ArgumentError, match="Did you mean 'tanh'"):
        ElmanCell(3, 4, activation="tahn")
