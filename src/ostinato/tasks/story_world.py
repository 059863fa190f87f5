"""A small world that tells stories: people walk between rooms, carry things, and are asked about.

Three kinds of question, after the first three of the bAbI tasks, by how many sentences an answer
needs: where a person is (1), where a thing is that somebody carried there (2), and where a thing
was before it came to a room (3).

Kinds of task after J. Weston, A. Bordes, S. Chopra et al., "Towards AI-Complete Question
Answering", 2015, arXiv 1502.05698. Deviation: a generator of its own with words
of its own, not the data of the paper; its stories for the kinds 2 and 3 are shorter than there.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from ostinato.tasks.arguments import require_at_least

KINDS = (1, 2, 3)
"""Kinds of question, by the number of sentences that tell the answer."""

_PEOPLE = ("anna", "boris", "clara", "david")
_ROOMS = ("attic", "cellar", "kitchen", "library", "study", "porch")
_THINGS = ("lamp", "book", "cup")
_WALKS = ("walked to", "ran to", "went over to", "entered")
_QUESTIONS, _EVENTS = 5, {1: 2, 2: 3, 3: 4}


@dataclass(frozen=True)
class Question:
    """A question about a story.

    Attributes:
        facts: the sentences that were told before it, each ending in a stop.
        text: the question, ending in a question mark.
        answer: one word, or several joined by commas.
    """

    facts: tuple[str, ...]
    text: str
    answer: str


def questions(kind: int, count: int, seed: int) -> Iterator[Question]:
    """Questions of one kind, five about each story.

    Args:
        kind: 1, 2 or 3.
        count: how many.
        seed: what all of them derive from.
    """
    require_at_least(1, count=count)
    chance = random.Random(f"{seed} {kind}")
    for number in range(count):
        if number % _QUESTIONS == 0:
            world = _World(chance, kind)
        yield world.ask()


class _World:
    """Who is where, who holds what, and where each thing has been."""

    def __init__(self, chance: random.Random, kind: int) -> None:
        self.chance, self.kind = chance, kind
        self.told: list[str] = []
        self.room: dict[str, str] = {}
        self.holder: dict[str, str] = {}
        self.trail: dict[str, list[str]] = {}

    def ask(self) -> Question:
        """Let some things happen, then ask what the story has told."""
        for _ in range(_EVENTS[self.kind]):
            self._happen()
        while not self._known():
            self._happen()
        subject = self.chance.choice(self._known())
        trail = [self.room[subject]] if self.kind == 1 else self.trail[subject]
        if self.kind < 3:
            return Question(tuple(self.told), f"where is {subject} ?", trail[-1])
        text = f"where was {subject} before {trail[-1]} ?"
        return Question(tuple(self.told), text, trail[-2])

    def _known(self) -> list[str]:
        """Of whom or what the answer has been told."""
        if self.kind == 1:
            return sorted(self.room)
        return sorted(thing for thing, rooms in self.trail.items() if len(rooms) >= self.kind - 1)

    def _happen(self) -> None:
        person = self.chance.choice(_PEOPLE)
        handle = self.kind > 1 and person in self.room and self.chance.random() < 0.4
        if not (handle and self._handle(person)):
            self._walk(person)

    def _walk(self, person: str) -> None:
        here = self.room.get(person)
        room = self.chance.choice([room for room in _ROOMS if room != here])
        self.room[person] = room
        self.told.append(f"{person} {self.chance.choice(_WALKS)} {room} .")
        for thing, holder in self.holder.items():
            if holder == person:
                self.trail[thing].append(room)

    def _handle(self, person: str) -> bool:
        """Put down what the person holds, or pick up what lies there or is new; False: nothing."""
        here = self.room[person]
        held = [thing for thing, holder in self.holder.items() if holder == person]
        if held:
            del self.holder[held[0]]
            self.told.append(f"{person} put down {held[0]} .")
            return True
        free = [thing for thing in _THINGS if thing not in self.holder]
        near = [thing for thing in free if self.trail.get(thing, [here])[-1] == here]
        if not near:
            return False
        thing = self.chance.choice(near)
        self.holder[thing] = person
        self.trail.setdefault(thing, [here])
        self.told.append(f"{person} picked up {thing} .")
        return True
