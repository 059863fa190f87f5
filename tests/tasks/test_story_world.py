"""The small world of stories."""

import pytest

from ostinato.core.errors import ArgumentError
from ostinato.tasks.story_world import questions


def told(question):
    """Who is where and where each thing has been, read off the sentences alone."""
    room, holder, trail = {}, {}, {}
    for fact in question.facts:
        person, *words, name, _stop = fact.split()
        if words == ["picked", "up"]:
            holder[name] = person
            trail.setdefault(name, [room[person]])
        elif words == ["put", "down"]:
            assert holder.pop(name) == person
        else:
            room[person] = name
            for thing in [thing for thing, by in holder.items() if by == person]:
                trail[thing].append(name)
    return room, trail


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_answers_follow_from_what_was_told(kind):
    for question in questions(kind, 200, seed=3):
        room, trail = told(question)
        words = question.text.split()
        subject = words[2]
        assert words[-1] == "?"
        if kind == 1:
            assert question.answer == room[subject]
        elif kind == 2:
            assert question.answer == trail[subject][-1]
        else:
            assert words[-2] == trail[subject][-1]
            assert question.answer == trail[subject][-2]


@pytest.mark.parametrize("kind", [2, 3])
def test_things_are_picked_up_where_they_lie(kind):
    for question in questions(kind, 100, seed=0):
        room, place = {}, {}
        for fact in question.facts:
            person, *words, name, _stop = fact.split()
            if words == ["picked", "up"]:
                assert place.get(name, room[person]) == room[person]
            elif words == ["put", "down"]:
                place[name] = room[person]
            else:
                room[person] = name


def test_five_questions_share_a_story():
    asked = list(questions(1, 11, seed=0))
    assert asked[4].facts[: len(asked[0].facts)] == asked[0].facts
    assert [len(q.facts) for q in asked[:6]] == [2, 4, 6, 8, 10, 2]


def test_the_seed_decides():
    assert list(questions(2, 20, seed=1)) == list(questions(2, 20, seed=1))
    assert list(questions(2, 20, seed=1)) != list(questions(2, 20, seed=2))


def test_there_must_be_a_question():
    with pytest.raises(ArgumentError, match="count must be at least 1"):
        next(questions(1, 0, seed=0))
