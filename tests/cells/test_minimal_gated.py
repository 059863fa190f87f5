from __future__ import annotations

import torch

from ostinato.cells.minimal_gated import MinimalGatedCell


def test_a_closed_gate_keeps_the_state_and_an_open_one_replaces_it():
    cell, x, h = MinimalGatedCell(3, 4), torch.randn(2, 3), torch.randn(2, 4)
    with torch.no_grad():
        cell.input.bias[:4] = -100
    torch.testing.assert_close(cell(x, h)[0], h)
    with torch.no_grad():
        cell.input.bias[:4] = 100
    new = torch.tanh(cell.input(x)[:, 4:] + cell.recur_new(h))
    torch.testing.assert_close(cell(x, h)[0], new)
