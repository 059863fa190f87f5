from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells.min_gru import MinGRUCell, positive
from ostinato.cells.min_lstm import MinLSTMCell

F64 = torch.float64


@pytest.mark.parametrize("keep_positive", [False, True])
def test_the_step_by_its_equations(keep_positive):
    cell = MinLSTMCell(3, 4, positive=keep_positive, dtype=F64)
    x = torch.randn(2, 7, 3, dtype=F64)
    f, i, n = (x @ cell.input.weight.T + cell.input.bias).chunk(3, -1)
    f, i = torch.sigmoid(f), torch.sigmoid(i)
    n = positive(n) if keep_positive else n
    h, expected = torch.zeros(2, 4, dtype=F64), []
    for t in range(7):
        total = f[:, t] + i[:, t]
        h = f[:, t] / total * h + i[:, t] / total * n[:, t]
        expected.append(h)
    torch.testing.assert_close(ost.RNN(cell)(x)[0], torch.stack(expected, 1))


def test_with_equal_gates_it_is_a_min_gru_that_is_half_open():
    lstm, gru = MinLSTMCell(3, 4, dtype=F64), MinGRUCell(3, 4, dtype=F64)
    with torch.no_grad():
        for ours, theirs in zip(lstm.parameters(), gru.parameters(), strict=True):
            ours[:4] = ours[4:8]
            theirs[:4] = 0
            theirs[4:] = ours[8:]
    x = torch.randn(2, 9, 3, dtype=F64)
    torch.testing.assert_close(ost.RNN(lstm)(x)[0], ost.RNN(gru)(x)[0])


@pytest.mark.parametrize("engine", ["reference", "fused", "parallel"])
def test_gates_that_vanish_still_share_the_state(engine):
    cell, x = MinLSTMCell(3, 3), torch.randn(2, 9, 3)
    with torch.no_grad():
        cell.input.weight[:6] = 0
        # f over i: nothing, all, and one half although both underflow
        cell.input.bias[:6] = torch.tensor([-1e4, 0, -1e4, 0, -1e4, -1e4])
    h = torch.randn(2, 3, requires_grad=True)
    y, _ = ost.RNN(cell, engine)(x, h)
    y[:, 0].sum().backward()
    assert h.grad.tolist() == [[0, 1, 0.5]] * 2
    assert all(parameter.grad.isfinite().all() for parameter in cell.parameters())
