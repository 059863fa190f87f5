from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells.min_gru import MinGRUCell, positive

F64 = torch.float64


def gates(cell, x):
    return torch.nn.functional.linear(x, cell.input.weight, cell.input.bias).chunk(2, -1)


@pytest.mark.parametrize("keep_positive", [False, True])
def test_the_step_by_its_equations(keep_positive):
    cell = MinGRUCell(3, 4, positive=keep_positive, dtype=F64)
    x = torch.randn(2, 7, 3, dtype=F64)
    z, n = gates(cell, x)
    if keep_positive:
        n = torch.where(n >= 0, n + 0.5, torch.sigmoid(n))
    h, expected = torch.zeros(2, 4, dtype=F64), []
    for t in range(7):
        gate = 1 / (1 + torch.exp(-z[:, t]))
        h = (1 - gate) * h + gate * n[:, t]
        expected.append(h)
    torch.testing.assert_close(ost.RNN(cell)(x)[0], torch.stack(expected, 1))


def test_it_is_a_scan_of_the_gate_and_the_gated_candidate():
    cell, x = MinGRUCell(3, 4, dtype=F64), torch.randn(9, 2, 3, dtype=F64)
    z, n = gates(cell, x)
    z = torch.sigmoid(z)
    expected = ost.affine_scan(1 - z, z * n, kind="diagonal")
    torch.testing.assert_close(ost.RNN(cell)(x.transpose(0, 1))[0], expected.transpose(0, 1))


@pytest.mark.parametrize("engine", ["reference", "fused", "parallel"])
def test_an_open_gate_forgets_all_and_a_closed_one_nothing(engine):
    cell, x = MinGRUCell(3, 4), torch.randn(2, 9, 3)
    with torch.no_grad():
        cell.input.bias[:4] = torch.tensor([1e4, 1e4, -1e4, -1e4])
    h = torch.randn(2, 4, requires_grad=True)
    y, _ = ost.RNN(cell, engine)(x, h)
    torch.testing.assert_close(y[..., :2], gates(cell, x)[1][..., :2], atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(y[..., 2:], h[:, None, 2:].expand(2, 9, 2), atol=0, rtol=0)
    y[:, -1].sum().backward()
    assert h.grad.tolist() == [[0, 0, 1, 1]] * 2
    assert all(parameter.grad.isfinite().all() for parameter in cell.parameters())


def test_the_positive_candidate_is_positive_continuous_and_linear_above():
    a = torch.linspace(-9, 9, 101, dtype=F64)
    assert (positive(a) > 0).all()
    torch.testing.assert_close(positive(a)[a > 0], a[a > 0] + 0.5)
    assert positive(a).diff().max() < 0.2
    cell = MinGRUCell(3, 4, positive=True)
    assert (ost.RNN(cell)(torch.randn(2, 9, 3))[0] > 0).all()
