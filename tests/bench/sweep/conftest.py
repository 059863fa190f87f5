"""Questions that take no time, and answers that were never measured."""

from __future__ import annotations

import pytest

from ostinato.bench.measure import MODES
from ostinato.bench.sweep.ceilings import Ceilings
from ostinato.bench.sweep.entry import Entry, Question, Spot

ROOF = Ceilings(copy=1e9, matmul=1e10)


def question(steps=3, engine="fused", mode=MODES[0], cell="ParaGRU"):
    return Question(Spot(cell, 4, 2, steps), engine, mode)


def answer(asked, ms=2.0, **more):
    return Entry(asked, ms, **{"ceilings": ROOF} | more)


class InPlace:
    """Calls in this process."""

    def __init__(self, prepare=None):
        pass

    def call(self, function, *arguments, wait):
        return function(*arguments)

    def end(self):
        pass


@pytest.fixture
def answers(monkeypatch):
    """Every question is answered at once; what was asked is returned."""
    asked = []

    def ask(question, device, repeats, limit):
        asked.append(question)
        return Entry(question, 1.0 * question.spot.steps, peak=2**21)

    monkeypatch.setattr("ostinato.bench.sweep.sweep.ask", ask)
    return asked
