"""Newton's method and another engine, compared by a clock that is not there."""

from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core import registry
from ostinato.core.estimate import Estimate
from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import choose, engines
from ostinato.engines import tuned
from ostinato.engines.parallel import contest
from ostinato.engines.parallel import engine as module
from ostinato.engines.parallel.contest import winner
from ostinato.engines.parallel.engine import Parallel
from ostinato.engines.reference import Reference


class Rival(Reference):
    """The loop, with an estimate."""

    name, rank, microseconds = "rival", 4, 1.0

    def estimate(self, recurrence):
        return Estimate(self.microseconds, "nowhere")


@pytest.fixture
def clock(monkeypatch):
    """Times by engine, what was timed, and a table of its own."""
    times, timed, table = {"parallel": 1.0, "rival": 2.0}, [], {}
    monkeypatch.setattr(tuned, "table", lambda name: table)
    monkeypatch.setattr(tuned, "keep", lambda name, key, entry: table.update({key: entry}))
    monkeypatch.setattr(tuned, "_device", lambda: "a device | triton 3.6")
    monkeypatch.setattr(tuned, "_KNOWN", {})
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    monkeypatch.setattr(module, "on_device", lambda recurrence: True)
    monkeypatch.setattr(registry, "on_device", lambda recurrence: True)
    real = tuned.choose
    monkeypatch.setattr(tuned, "choose", lambda key, each, time, _: real(key, each, time, "cuda"))
    once = contest._once
    monkeypatch.setattr(
        contest, "_once", lambda *given: (timed.append(given[0].name), once(*given))
    )

    def time(run, repeats):
        run()
        return times[timed[-1]]

    monkeypatch.setattr(tuned, "timed", time)
    return times, timed


@pytest.fixture
def known(monkeypatch):
    """Two engines with estimates, and the loop."""
    found = {"rival": Rival(), "parallel": Parallel(), "reference": engines()["reference"]}
    monkeypatch.setattr(registry, "_ENGINES", found)
    monkeypatch.setattr(module, "engines", lambda: found)
    return found


CELL = make_cell("ParaGRU", 3, 4)


def call(steps=8, rows=2, cell=CELL):
    xs = torch.randn(steps, rows, 3)
    init = cell.initial_state(rows)
    return Recurrence(lambda h, u: cell(u, h)[::-1], init, xs, steps, identity=(cell,))


def won(recurrence, known, iterations=4.0):
    plan = known["parallel"]._planned(recurrence)
    candidates = {name: known[name] for name in ("rival", "parallel")}
    return winner(plan, recurrence, candidates, iterations)


def test_both_are_timed_once_for_a_step_and_sizes(clock, known):
    _, timed = clock
    assert [won(call(), known) for _ in range(2)] == ["parallel"] * 2
    assert timed == ["rival", "parallel"]
    tuned.forget()
    assert won(call(7, cell=make_cell("ParaGRU", 3, 4)), known, 3.2) == "parallel"
    assert len(timed) == 2
    for other, iterations in ((call(9), 4.0), (call(8, 3), 4.0), (call(), 5.0)):
        won(other, known, iterations)
    with torch.no_grad():
        won(call(), known)
    assert len(timed) == 10


def test_the_first_candidate_is_taken_where_nothing_may_be_measured(clock, known, monkeypatch):
    monkeypatch.setenv("OSTINATO_TUNE", "0")
    assert won(call(), known) == "rival"
    assert not clock[1]


def test_nobody_hears_of_it_and_no_gradient_is_left(clock, known):
    recurrence = call()
    with ost.newton() as solves, registry.recorded_decisions() as decisions:
        won(recurrence, known)
    assert clock[1] == ["rival", "parallel"]
    assert not solves
    assert not decisions
    assert all(parameter.grad is None for parameter in CELL.parameters())
    assert recurrence.init.grad_fn is None


@pytest.mark.parametrize(
    ("theirs", "measured", "chosen"),
    [
        (0.5, 2.0, "parallel"),
        (0.5, 0.5, "rival"),
        (2.0, 0.5, "rival"),
        (0.1, 2.0, "rival"),
        (10.0, 0.5, "parallel"),
    ],
)
def test_auto_takes_the_faster_one_where_estimates_are_near(
    theirs, measured, chosen, clock, known, monkeypatch
):
    times, timed = clock
    recurrence = call()
    mine = known["parallel"].estimate(recurrence).microseconds
    monkeypatch.setattr(Rival, "microseconds", theirs * mine)
    times["rival"] = measured
    decision = choose(recurrence, "auto")
    assert decision.chosen == chosen
    near = 0.25 < theirs < 4
    assert len(timed) == 2 * near
    said = decision.estimates["parallel"].measured
    faster = "faster" if measured > 1 else "slower"
    assert said == (f"measured to be {faster} than rival" if near else None)


def test_options_of_a_block_leave_it_to_the_estimates(clock, known, monkeypatch):
    recurrence = call()
    mine = known["parallel"].estimate(recurrence).microseconds
    monkeypatch.setattr(Rival, "microseconds", mine)
    with ost.newton(window=4):
        choose(recurrence, "auto")
    assert not clock[1]
    choose(recurrence, "auto")
    assert len(clock[1]) == 2
