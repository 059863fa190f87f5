"""LTC: how it relaxes, what bounds it, and which units are joined."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

import ostinato as ost
from ostinato.cells.ltc import LTCCell
from ostinato.cells.wiring import Wiring, auto_ncp
from ostinato.core.errors import ArgumentError

F64 = torch.float64


def made(**options):
    torch.manual_seed(0)
    return LTCCell(3, 4, dtype=F64, **options)


def without_synapses(cell):
    with torch.no_grad():
        cell.recur.weight.fill_(-math.inf)
        cell.sensory.weight.fill_(-math.inf)
    return cell


def test_without_synapses_it_relaxes_to_its_rest():
    cell = without_synapses(made(unfolds=6))
    v, elapsed = torch.randn(2, 4, dtype=F64), torch.tensor([[0.5], [3.0]], dtype=F64)
    c, g = F.softplus(cell.capacity), F.softplus(cell.leak)
    left = (c / (c + g * elapsed / 6)) ** 6
    found = cell((torch.randn(2, 3, dtype=F64), elapsed), v)[1]
    torch.testing.assert_close(found, cell.rest + left * (v - cell.rest))


def test_no_time_changes_nothing():
    v = torch.randn(2, 4, dtype=F64)
    found = made()((torch.randn(2, 3, dtype=F64), torch.zeros(2, 1, dtype=F64)), v)[1]
    torch.testing.assert_close(found, v)


def test_however_long_the_step_v_stays_between_its_extremes():
    cell, x = made(unfolds=2), torch.randn(50, 3, dtype=F64) * 5
    bounds = torch.cat([cell.recur.reversal, cell.sensory.reversal, cell.rest[:, None]], 1)
    low, high = bounds.min(), bounds.max()
    v = low + (high - low) * torch.rand(50, 4, dtype=F64)
    found = cell((x, torch.full((50, 1), 1e4, dtype=F64)), v)[1]
    assert low <= found.min()
    assert found.max() <= high


def test_a_step_follows_the_differential_equation():
    cell, x, v = made(unfolds=1), torch.randn(2, 3, dtype=F64), torch.rand(2, 4, dtype=F64)
    s = cell.recur.strength() * torch.sigmoid(cell.recur.slope * (v[:, None] - cell.recur.center))
    r = cell.sensory.strength() * torch.sigmoid(
        cell.sensory.slope * (x[:, None] - cell.sensory.center)
    )
    pulls = F.softplus(cell.leak) * (cell.rest - v)
    pulls = pulls + (s * (cell.recur.reversal - v[..., None])).sum(-1)
    pulls = pulls + (r * (cell.sensory.reversal - v[..., None])).sum(-1)
    tiny = 1e-7
    moved = cell((x, torch.full((2, 1), tiny, dtype=F64)), v)[1]
    expected = pulls / F.softplus(cell.capacity)
    torch.testing.assert_close((moved - v) / tiny, expected, rtol=1e-5, atol=1e-6)


def test_gradients_through_six_unfolds():
    cell = made()
    x, v = torch.randn(1, 3, dtype=F64), torch.rand(1, 4, dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: cell(x, v)[1], (v,))


def test_the_contract_and_the_structure(quick_compile):
    cell = LTCCell(2, 3, unfolds=1)
    report = ost.check_cell(cell, dtypes=[F64])
    assert "fused" in {check.engine for check in report.checks if not check.declined}
    assert "dense, nonlinear" in str(ost.explain(ost.RNN(cell), torch.randn(1, 3, 2)))


def test_who_is_not_joined_has_no_influence():
    wiring = auto_ncp(3, 12, 2, 0.5)
    cell = LTCCell(3, 12, wiring=wiring, unfolds=1, dtype=F64)
    v, x = torch.rand(1, 12, dtype=F64), torch.randn(1, 3, dtype=F64)
    j = torch.autograd.functional.jacobian(lambda v: cell(x, v)[1], v)[0, :, 0]
    joined = wiring.synapses.bool() | torch.eye(12, dtype=torch.bool)
    assert torch.equal(j != 0, joined)
    assert cell(x, v)[0].shape == (1, 2)


def test_strengths_begin_in_their_ranges():
    cell = LTCCell(20, 40)
    for weight, low, high in (
        (cell.recur.weight, 0.001, 1),
        (cell.leak, 0.001, 1),
        (cell.capacity, 0.4, 0.6),
    ):
        found = F.softplus(weight).detach()
        assert low * 0.99 <= float(found.min()) < float(found.max()) <= high * 1.001


def test_a_wiring_of_another_size_is_refused():
    wiring = Wiring(torch.ones(4, 4).long(), torch.ones(4, 2).long(), {"units": 4})
    with pytest.raises(ArgumentError, match=r"3 inputs and 4 units.*of 2 and 4"):
        LTCCell(3, 4, wiring=wiring)
