"""All sides of the cases on learning online have the same gradient."""

from __future__ import annotations

import pytest
import torch

from ostinato.bench import online
from ostinato.bench.cases import CASES, Size, contest
from ostinato.bench.verify import disagreement
from ostinato.cells.elstm import ELSTMCell
from ostinato.over.time import RNN


@pytest.mark.parametrize("peer", ["torch.func", "BPTT"])
def test_both_sides_agree(peer, monkeypatch):
    monkeypatch.setattr(online, "PAST", 5)
    built = contest(CASES["rtrl-elstm"], peer, Size(2, 3, 4))
    assert disagreement(built) is None
    ((key, carried),) = built.ours._before.items()
    built.ours._before[key] = carried._replace(kept=tuple(1.01 * s for s in carried.kept))
    assert "gradients of" in disagreement(built)


def test_the_gradient_reaches_back_to_the_first_step(monkeypatch):
    monkeypatch.setattr(online, "PAST", 5)
    cell, x = ELSTMCell(3, 4, output_gate=False), torch.randn(2, 3, 3)
    parameters = list(cell.parameters())
    near = torch.autograd.grad(RNN(cell)(x)[0].sum(), parameters)
    sides = [side(cell) for side in (online.Sensitive, online.Backwards, online.Jacobians)]
    for side in sides:
        found = torch.autograd.grad(side(x)[0].sum(), parameters)
        assert not torch.allclose(found[0], near[0], rtol=1e-2)


def test_what_went_before_is_run_once_for_a_number_of_rows():
    side = online.Sensitive(ELSTMCell(3, 4, output_gate=False))
    first = side(torch.zeros(2, 1, 3))[0]
    (before,) = side._before.values()
    assert torch.equal(side(torch.zeros(2, 1, 3))[0], first)
    assert side._before[2, torch.float32, torch.device("cpu")] is before
    side(torch.zeros(1, 1, 3))
    assert len(side._before) == 2
