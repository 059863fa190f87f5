from __future__ import annotations

import pytest

from ostinato.core.errors import ArgumentError
from ostinato.tasks.marked_value import MarkedValueTask


def test_the_target_is_the_marked_value():
    batch = MarkedValueTask(steps=9, first=3).batch(0, 300)
    value, marked, asked = batch.inputs.unbind(-1)
    assert asked.tolist() == [[0.0] * 8 + [1.0]] * 300
    assert (marked.sum(1) == 1).all()
    assert (value.abs() == 1).all()
    assert marked.argmax(1).unique().tolist() == [0, 1, 2]
    assert batch.targets.tolist() == ((value * marked).sum(1) > 0).long().tolist()


def test_there_must_be_a_step_to_ask_at():
    with pytest.raises(ArgumentError, match="more than first=5; got 5"):
        MarkedValueTask(steps=5)
