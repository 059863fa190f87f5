"""The choice by estimated time, on a device that is not there."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core import registry
from ostinato.core.estimate import Estimate, at, on_device
from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import Doubt, choose, recorded_decisions


class Fake:
    summary = "an engine of a test"

    def __init__(self, name, rank, time, reason=None, doubt=None):
        self.name, self.rank, self.time = name, rank, time
        self.reason, self.doubt = reason, doubt

    def decline(self, recurrence):
        return self.reason

    def hesitate(self, recurrence):
        return None if self.doubt is None else Doubt("because", self.doubt)

    def estimate(self, recurrence):
        return None if self.time is None else Estimate(self.time, "a test")


RECURRENCE = Recurrence(lambda h, x: (h + x, h), torch.zeros(2, 3), torch.ones(4, 2, 3), steps=4)


@pytest.fixture
def engines(monkeypatch):
    """Register engines in the place of all others, on what passes for a device."""
    known = {"reference": registry.engines()["reference"]}
    monkeypatch.setattr(registry, "_ENGINES", known)
    monkeypatch.setattr(registry, "import_module", lambda name: None)
    monkeypatch.setattr(registry, "on_device", lambda recurrence: True)

    def add(*fakes):
        for fake in fakes:
            registry.register(fake)

    return add


def chosen():
    return choose(RECURRENCE, "auto", exhaustive=False).chosen


def test_the_shortest_estimate_wins_whatever_the_rank(engines):
    engines(Fake("slow", 9, 200.0), Fake("fast", 3, 100.0))
    assert chosen() == "fast"


def test_what_declines_or_doubts_is_not_taken_for_its_estimate(engines):
    engines(
        Fake("slow", 9, 200.0), Fake("unable", 8, 1.0, "no"), Fake("asked for", 7, 1.0, doubt=-3)
    )
    assert chosen() == "slow"


def test_without_estimates_the_rank_decides(engines):
    engines(Fake("a", 3, None), Fake("b", 5, None))
    assert chosen() == "b"
    engines(Fake("known", 1, 1e9))
    assert chosen() == "known"


def test_a_decision_knows_all_estimates(engines):
    engines(Fake("slow", 9, 200.0), Fake("fast", 3, 100.0), Fake("unable", 8, 1.0, "no"))
    decision = choose(RECURRENCE, "auto")
    assert {n: e.microseconds for n, e in decision.estimates.items() if n != "reference"} == {
        "slow": 200.0,
        "fast": 100.0,
    }
    assert decision.estimates["reference"].microseconds > 200
    assert str(Estimate(1234.5, "")) == "about 1,234 µs"


def test_an_explanation_shows_them(engines):
    engines(Fake("slow", 9, 200.0), Fake("fast", 3, 1100.0))
    registry._ENGINES["slow"].run = registry._ENGINES["reference"].run
    explanation = ost.explain(ost.RNN(make_cell("GRU", 3, 4)))
    text = str(explanation)
    assert "an engine of a test; about 200 µs" in text
    assert "times are estimated by a test" in text
    assert explanation.as_dict()[0]["microseconds"]["fast"] == 1100.0


def test_the_cpu_is_not_asked_for_estimates():
    assert not on_device(RECURRENCE)
    with recorded_decisions() as decisions:
        ost.scan(RECURRENCE.step, RECURRENCE.init, RECURRENCE.xs)
    assert not decisions[0].estimates


@pytest.fixture
def current(monkeypatch):
    """What is made the current device, where there is none."""
    stack = ["cuda:0"]

    @contextmanager
    def device(wanted):
        stack.append(str(wanted))
        yield
        stack.pop()

    monkeypatch.setattr(torch.cuda, "device", device)
    monkeypatch.setattr(torch.cuda, "_initialized", True)
    return stack


def test_a_call_is_chosen_and_run_on_the_device_of_its_state(engines, current):
    seen = []

    class Here(Fake):
        def estimate(self, recurrence):
            seen.append(("estimate", current[-1]))

        def run(self, recurrence):
            seen.append(("run", current[-1]))
            return recurrence.init, recurrence.xs

    engines(Here("here", 9, None))
    with FakeTensorMode():
        state = torch.empty(2, 3, device="cuda:1")
    registry.evaluate(replace(RECURRENCE, init=state))
    assert seen == [("estimate", "cuda:1"), ("run", "cuda:1")]
    assert current == ["cuda:0"]


def test_the_cpu_is_left_as_it_is(current):
    with at(RECURRENCE.init):
        assert current == ["cuda:0"]


def test_a_state_on_a_device_is_found(monkeypatch):
    monkeypatch.setattr(torch.cuda, "_initialized", True)
    assert not on_device(RECURRENCE)
