from __future__ import annotations

import torch

from ostinato.analysis.gradient_reach import gradient_reach
from ostinato.cells import make_cell
from ostinato.over.time import RNN

F64 = torch.float64


def test_the_norms_are_those_of_backpropagation():
    torch.manual_seed(0)
    cell, x = make_cell("GRU", 3, 4, dtype=F64), torch.randn(2, 6, 3, dtype=F64)
    found = gradient_reach(cell, x)
    assert found.norms.shape == (2, 5)
    states = RNN(cell)(x, return_states=True)[2]
    for k in (1, 3, 5):
        last = torch.autograd.functional.jacobian(
            lambda h, k=k: RNN(cell, "reference")(x[:1, 6 - k :], h)[1], states[:1, 5 - k]
        )
        torch.testing.assert_close(
            found.norms[0, k - 1], torch.linalg.matrix_norm(last[0, :, 0], 2)
        )


def test_of_a_leak_it_is_geometric():
    cell = make_cell("Elman", 2, 3, activation="identity")
    with torch.no_grad():
        cell.recur.weight.copy_(0.5 * torch.eye(3))
    found = gradient_reach(cell, torch.randn(4, 5, 2))
    torch.testing.assert_close(found.mean, 0.5 ** torch.arange(1.0, 5))
    assert found.plot().axes[0].get_yscale() == "log"
