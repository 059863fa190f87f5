"""A sweep stops in time, goes on where it stopped, and foresees what would take too long."""

from __future__ import annotations

import pytest

from ostinato.bench.sweep import sweep as module
from ostinato.bench.sweep.entry import Entry
from ostinato.bench.sweep.sweep import Patience, sweep
from ostinato.core.errors import EngineError

from .conftest import ROOF, InPlace, answer, question


def run(questions, patience=None, worker=None, **more):
    return sweep(questions, "cpu", patience or Patience(), ROOF, worker or InPlace(), **more)


def test_every_question_is_answered_and_stored_at_once(answers):
    stored = []
    questions = [question(1), question(2)]
    entries = run(questions, store=lambda found: stored.append(len(found)))
    assert answers == questions
    assert stored == [1, 2]
    assert [(e.question, e.ms, e.ceilings) for e in entries] == [
        (questions[0], 1.0, ROOF), (questions[1], 2.0, ROOF),
    ]  # fmt: skip


def test_what_was_answered_before_is_kept_in_its_place(answers):
    questions = [question(1), question(2), question(3)]
    earlier = [answer(questions[1], ms=77.0), answer(questions[0], ms=88.0)]
    entries = run(questions, earlier=earlier)
    assert answers == questions[2:]
    assert [entry.ms for entry in entries] == [88.0, 77.0, 3.0]


def test_nothing_is_asked_when_the_time_is_up(answers, monkeypatch):
    readings = iter([0.0, 1.0, 11.0])
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(readings))
    entries = run([question(1), question(2)], Patience(budget=10.0))
    assert [entry.question for entry in entries] == answers == [question(1)]


def test_the_loop_is_extrapolated_and_nobody_else(answers):
    patience = Patience(limit=0.3)
    for engine, ms, note in (
        ("reference", 800.0, "extrapolated from T=100"),
        ("fused", None, "would take more than 0 s"),
    ):
        questions = [question(steps, engine=engine) for steps in (50, 100, 800)]
        last = run(questions, patience)[-1]
        assert (last.ms, last.note) == (ms, note)
        assert not last.measured
    assert all(q.spot.steps < 800 for q in answers)


def test_a_library_that_is_not_there_is_asked_once(answers):
    said = "declines: 'fla' is not installed; pip install fla"
    earlier = [Entry(question(7, engine="fla"), note=said)]
    entries = run([question(1, engine="fla"), question(1)], earlier=earlier)
    assert [(entry.ms, entry.note) for entry in entries] == [(None, said), (1.0, "")]
    assert answers == [question(1)]


def test_what_is_extrapolated_is_no_base_for_more(answers):
    questions = [question(steps, engine="reference") for steps in (100, 800, 1600)]
    assert [e.note for e in run(questions, Patience(limit=0.3))] == [
        "", "extrapolated from T=100", "extrapolated from T=100",
    ]  # fmt: skip


class Failing(InPlace):
    """Raises what is left to be raised, then answers."""

    def __init__(self, *errors):
        self.errors, self.waits = list(errors), []

    def call(self, function, *arguments, wait):
        self.waits.append(wait)
        if self.errors:
            raise self.errors.pop(0)
        return super().call(function, *arguments, wait=wait)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TimeoutError("no answer within 60 s"), "no answer within 60 s"),
        (EngineError("an illegal access\nand more"), "an illegal access"),
    ],
)
def test_a_lost_question_is_a_note_and_the_next_is_asked(answers, monkeypatch, error, said):
    monkeypatch.delenv("OSTINATO_PERSISTENT", raising=False)
    entries = run([question(1), question(2)], worker=Failing(error))
    assert [(entry.ms, entry.note) for entry in entries] == [(None, said), (2.0, "")]


def test_programs_that_wait_for_one_another_are_tried_until_one_hangs(answers, monkeypatch):
    monkeypatch.setenv("OSTINATO_PERSISTENT", "1")
    [entry] = run([question(1)], worker=Failing(TimeoutError("no answer")))
    assert (entry.ms, module.os.environ["OSTINATO_PERSISTENT"]) == (1.0, "0")


def test_the_budget_ends_a_question_that_the_next_run_asks_again(answers):
    worker = Failing(TimeoutError("no answer"))
    assert run([question(1)], Patience(budget=5.0, wait=60.0), worker) == []
    assert 4 < worker.waits[0] <= 5
