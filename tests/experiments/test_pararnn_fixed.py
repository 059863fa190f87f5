"""A fixed number of iterations, in the experiment on ParaRNN."""

from __future__ import annotations

import pytest
import torch

from ostinato.analysis.convergence import unlogged
from ostinato.cells import make_cell
from ostinato.experiments import pararnn_fixed
from ostinato.experiments.experiment import silent
from ostinato.experiments.pararnn_fixed import K, Size, three
from ostinato.over.time import RNN


def test_three_iterations_are_three():
    torch.manual_seed(0)
    cell = make_cell("ParaGRU", 2, 1, clip=None, dtype=torch.float64)
    for parameter in cell.parameters():
        torch.nn.init.normal_(parameter, std=3)
    x = torch.randn(1, 20, 2, dtype=torch.float64)

    def values(before):
        return cell(x[0], before)[1]

    h = values(x.new_zeros(20, 1))
    for _ in range(K):
        before = torch.cat([x.new_zeros(1, 1), h[:-1]]).requires_grad_()
        (slope,) = torch.autograd.grad(values(before).sum(), before)
        f = values(before)
        after = [f[0]]
        for t in range(1, 20):
            after.append(f[t] + slope[t] * (after[-1] - before[t]))
        h = torch.stack(after).detach()
    with unlogged(), three():
        found = RNN(cell, "parallel")(x)[0].detach()
    torch.testing.assert_close(found[0], h)
    assert float((RNN(cell)(x)[0].detach()[0] - h).abs().max()) > 1e-6


def test_nets_are_asked_the_other_way(monkeypatch):
    monkeypatch.setattr(pararnn_fixed, "LONG", 40)
    found = pararnn_fixed.measure(Size(updates=2), 1, silent)
    assert set(found.values) == set(pararnn_fixed.CLAIMS)
    # Before it has learned, three iterations find the states, whose loss is that of the loop.
    assert found.values[pararnn_fixed.ERROR][0] < 1e-2
    assert found.values[pararnn_fixed.BIASED][0] == pytest.approx(1, abs=1e-2)
    assert found.values[pararnn_fixed.LEARNED][0] == pytest.approx(50, abs=8)
    by_loop, by_three = found.panels[0].curves
    assert by_three.runs[0] == pytest.approx(by_loop.runs[0], abs=1e-2)
