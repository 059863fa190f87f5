"""Iterations and time that are expected of Newton's method."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core import registry
from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import choose, engines
from ostinato.engines.fused.backend import Triton
from ostinato.engines.fused.engine import FusedLoop
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


def plan(call):
    return Parallel()._planned(call)


@pytest.fixture
def device(monkeypatch):
    """What passes for a device, in the eyes of estimates and clocks."""
    monkeypatch.setattr(module, "on_device", lambda recurrence: True)
    monkeypatch.setattr(registry, "on_device", lambda recurrence: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)


def test_the_mean_follows_what_windows_took():
    history, call = History(), recurrence(make_cell("ParaGRU", 3, 4))
    assert 4 <= history.iterations(call, plan(call)) <= 6
    for taken, mean in ((4, 4), (14, 7), (7, 7)):
        history.add(call, solve(taken))
        assert history.iterations(call, plan(call)) == pytest.approx(mean)


def test_what_was_given_up_is_not_expected_to_be_solved_until_it_was():
    history, call = History(), recurrence(make_cell("ParaGRU", 3, 4))
    history.add(call, solve(4))
    history.add(call, solve(100, "fused"))
    assert history.iterations(call, plan(call)) is None
    history.add(call, solve(6))
    assert history.iterations(call, plan(call)) == 6


def test_cells_are_told_apart_and_unknown_steps_have_no_history():
    history, one = History(), recurrence(make_cell("ParaGRU", 3, 4))
    history.add(one, solve(9))
    other = recurrence(make_cell("ParaGRU", 3, 4))
    assert history.iterations(other, plan(other)) != 9
    unknown = Recurrence(lambda h, u: (torch.tanh(h), h), torch.zeros(2, 3), X, 40)
    history.add(unknown, solve(4))
    assert history.iterations(unknown, plan(unknown)) is None


def test_nothing_is_expected_of_dense_states_before_they_were_solved():
    history, call = History(), recurrence(make_cell("GRU", 3, 4))
    assert history.iterations(call, plan(call)) is None
    history.add(call, solve(8))
    assert history.iterations(call, plan(call)) == 8


def times(engine, call, *iterations):
    """What is estimated after a call that took so many, with gradients or without."""
    found = []
    for taken in iterations:
        engine._history = History()
        engine._history.add(call, solve(taken))
        found.append(engine.estimate(call).microseconds)
    return found


def test_an_affine_step_is_one_scan_and_others_are_as_many_as_before():
    engine = Parallel()
    affine, other = (recurrence(make_cell(n, 3, 4)) for n in ("MinGRU", "ParaGRU"))
    assert engine.estimate(affine).microseconds > 0
    one, three, five = times(engine, other, 1, 3, 5)
    assert math.isfinite(one)
    assert five - three == pytest.approx(three - one)
    assert three > one


def test_a_gradient_is_one_scan_more_however_many_iterations_there_were():
    engine, call = Parallel(), recurrence(make_cell("ParaGRU", 3, 4))
    with torch.no_grad():
        alone = times(engine, call, 2, 20)
    few, many = (a - b for a, b in zip(times(engine, call, 2, 20), alone, strict=True))
    assert few == pytest.approx(many)
    assert few > 0


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


def test_auto_may_begin_on_a_device_unless_calls_have_to_be_alike(device, monkeypatch):
    engine, call = Parallel(), recurrence(make_cell("ParaGRU", 3, 4))
    assert engine.hesitate(call) is None
    with torch.no_grad():
        assert engine.hesitate(call) is None
    assert "has to be asked for" in engine.hesitate(recurrence(make_cell("GRU", 3, 4))).reason
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
        assert "has to be asked for" in engine.hesitate(call).reason
    monkeypatch.setenv("OSTINATO_TUNE", "0")
    assert "has to be asked for" in engine.hesitate(call).reason


def test_the_cpu_has_to_be_asked():
    call = recurrence(make_cell("ParaGRU", 3, 4))
    assert "has to be asked for" in Parallel().hesitate(call).reason


@pytest.mark.usefixtures("device")
def test_auto_takes_long_sequences_until_a_window_was_given_up(monkeypatch):
    pytest.importorskip("triton")
    monkeypatch.setattr(scan, "DEVICES", ["cpu"])
    loop, engine = FusedLoop(lambda _: Triton("cpu")), Parallel()
    known = {"reference": engines()["reference"], "fused": loop, "parallel": engine}
    monkeypatch.setattr(registry, "_ENGINES", known)
    call = recurrence(make_cell("ParaGRU", 3, 4))

    def chosen(steps):
        return choose(replace(call, steps=steps), "auto", exhaustive=False).chosen

    assert (chosen(40), chosen(2**16)) == ("fused", "parallel")
    with torch.no_grad():
        assert (chosen(40), chosen(2**16)) == ("fused", "parallel")
    engine._history.add(call, solve(100, "fused"))
    assert chosen(2**16) == "fused"


def test_a_call_leaves_its_iterations():
    cell = make_cell("ParaGRU", 3, 4)
    ost.RNN(cell, "parallel")(X.transpose(0, 1))
    call = recurrence(cell)
    assert 1 <= engines()["parallel"]._history.iterations(call, plan(call)) <= 10
