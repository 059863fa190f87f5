from __future__ import annotations

import pytest

from ostinato.core.errors import ArgumentError, CheckpointError
from ostinato.train.curriculum import Curriculum, climb


def reached(curriculum):
    found = [curriculum.active]
    while not curriculum.ended:
        curriculum.advance()
        found.append(curriculum.active)
    return found


def test_one_level_after_another():
    assert reached(Curriculum("abc")) == [("a",), ("b",), ("c",)]


def test_every_level_up_to_the_hardest():
    assert reached(Curriculum("abc", keep=None)) == [("a",), ("a", "b"), ("a", "b", "c")]


def test_a_window_slides_by_blocks():
    windows = reached(Curriculum(range(8), keep=4, add=2))
    assert windows == [(0,), (0, 1, 2), (1, 2, 3, 4), (3, 4, 5, 6), (4, 5, 6, 7)]


def test_mean_and_hardest_level_must_lie_above_the_threshold():
    curriculum = Curriculum(range(2), keep=None, threshold=0.9)
    curriculum.advance()
    assert curriculum.solves([0.95, 0.91])
    assert not curriculum.solves([1.0, 0.9])
    assert not curriculum.solves([0.8, 0.95])
    with pytest.raises(ArgumentError, match="each of the active levels"):
        curriculum.solves([1.0])


def test_the_climb_stops_when_the_last_level_is_solved():
    skill = {"a": 0.0, "b": 0.0}

    def train(active):
        for level in active:
            skill[level] += 0.5

    epochs = list(
        climb(
            Curriculum("ab", keep=None), train, lambda active: [skill[k] for k in active], range(99)
        )
    )
    assert [(epoch.number, epoch.active, epoch.solved) for epoch in epochs] == [
        (0, ("a",), False),
        (1, ("a",), True),
        (2, ("a", "b"), False),
        (3, ("a", "b"), True),
    ]
    assert epochs[-1].scores == (2.0, 1.0)


def test_the_climb_ends_with_the_epochs():
    curriculum = Curriculum("ab")
    epochs = list(climb(curriculum, lambda active: None, lambda active: [0.0], range(1, 4)))
    assert [epoch.number for epoch in epochs] == [1, 2, 3]
    assert curriculum.active == ("a",)


def test_a_curriculum_is_continued():
    curriculum = Curriculum("abcd", keep=2)
    curriculum.advance()
    other = Curriculum("abcd", keep=2)
    other.load_state_dict(curriculum.state_dict())
    assert other.active == ("a", "b")
    with pytest.raises(CheckpointError, match="has 3 levels, the saved one 4"):
        Curriculum("abc").load_state_dict(curriculum.state_dict())


def test_no_levels_and_no_steps_are_refused():
    with pytest.raises(ArgumentError, match="0 levels"):
        Curriculum("")
    with pytest.raises(ArgumentError, match="add=0"):
        Curriculum("ab", add=0)
