"""Iterations and time that are expected of Newton's method."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import engines
from ostinato.engines.parallel import engine as module
from ostinato.engines.parallel.device import scan
from ostinato.engines.parallel.engine import Parallel
from ostinato.engines.parallel.expected import History
from ostinato.engines.parallel.newton import Outcome, Solve

X = torch.randn(40, 2, 3)


def recurrence(cell, x=X):
    return Recurrence(
        lambda h, u: cell(u, h)[::-1], cell.initial_state(2), x, len(x), identity=(cell,)
    )


def solve(iterations, engine=None):
    outcome = Outcome.CAP if engine else Outcome.CONVERGED
    return Solve(outcome, tuple(1.0 for _ in range(iterations + 1)), engine=engine)


def test_the_mean_follows_what_windows_took():
    history, call = History(), recurrence(make_cell("ParaGRU", 3, 4))
    assert history.iterations(call) is None
    for taken, mean in ((4, 4), (14, 7), (7, 7)):
        history.add(call, solve(taken))
        assert history.iterations(call) == pytest.approx(mean)


def test_what_was_given_up_is_not_expected_to_be_solved_until_it_was():
    history, call = History(), recurrence(make_cell("ParaGRU", 3, 4))
    history.add(call, solve(4))
    history.add(call, solve(100, "fused"))
    assert history.iterations(call) is None
    history.add(call, solve(6))
    assert history.iterations(call) == 6


def test_cells_are_told_apart_and_unknown_steps_have_no_history():
    history, one = History(), recurrence(make_cell("ParaGRU", 3, 4))
    history.add(one, solve(4))
    assert history.iterations(recurrence(make_cell("ParaGRU", 3, 4))) is None
    unknown = Recurrence(lambda h, u: (h, h), torch.zeros(2, 3), X, 40)
    history.add(unknown, solve(4))
    assert history.iterations(unknown) is None


def test_an_affine_step_is_one_scan_and_others_are_as_many_as_before(monkeypatch):
    engine = Parallel()
    affine, other = (recurrence(make_cell(n, 3, 4)) for n in ("MinGRU", "ParaGRU"))
    assert engine.estimate(affine).microseconds > 0
    assert engine.estimate(other) is None
    engine._history.add(other, solve(3))
    three = engine.estimate(other).microseconds
    engine._history.add(other, solve(13))
    assert engine.estimate(other).microseconds == pytest.approx(2 * three)
    assert math.isfinite(three)


@pytest.mark.parametrize("name", ["MinGRU", "ParaGRU"])
def test_generated_scans_are_expected_to_be_faster_than_operations_of_torch(name, monkeypatch):
    pytest.importorskip("triton")
    call, times = recurrence(make_cell(name, 3, 4)), []
    for devices in ([], ["cpu"]):
        monkeypatch.setattr(scan, "DEVICES", devices)
        engine = Parallel()
        engine._history.add(call, solve(3))
        times.append(engine.estimate(call).microseconds)
        longer = replace(call, steps=2**20)
        assert engine.estimate(longer).microseconds > times[-1]
    assert times[1] < times[0]


def test_auto_may_take_it_on_a_device_where_no_gradient_is_wanted(monkeypatch):
    engine, call = Parallel(), recurrence(make_cell("ParaGRU", 3, 4))
    engine._history.add(call, solve(3))
    assert "has to be asked for" in engine.hesitate(call).reason
    monkeypatch.setattr(module, "on_device", lambda recurrence: True)
    assert "has to be asked for" in engine.hesitate(call).reason
    with torch.no_grad():
        assert engine.hesitate(call) is None


def test_a_call_leaves_its_iterations():
    cell = make_cell("ParaGRU", 3, 4)
    ost.RNN(cell, "parallel")(X.transpose(0, 1))
    assert 1 <= engines()["parallel"]._history.iterations(recurrence(cell)) <= 10
