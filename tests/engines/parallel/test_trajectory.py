from __future__ import annotations

import torch

import ostinato as ost


def test_a_large_row_does_not_excuse_a_small_one():
    times, init = torch.linspace(0, 2, 21), torch.tensor([[1.0], [1e6]])
    together, alone = (
        ost.solve_ode(lambda y, x: -3 * torch.tanh(y), rows, times)[:, 0]
        for rows in (init, init[:1])
    )
    assert float((together - alone).abs().max()) < 1e-6
