"""Reber's grammar: is a string one of its own?

    0 –B→ 1;  1 –T→ 2 | –P→ 3;  2 –S→ 2 | –X→ 4;  3 –T→ 3 | –V→ 5
    4 –X→ 3 | –S→ 6;  5 –P→ 4 | –V→ 6;  6 –E→ end

A. S. Reber 1967, J. Verbal Learning and Verbal Behavior 6. Strings that are not, come from
automata that differ from it: 56 % write other letters between B and E, 44 % have the labels of one
or two states swapped, so that only the order of the letters tells.

Source: Darji 2024, "Investigating sparsity in recurrent neural networks", arXiv 2407.20601.
Deviation: the paper chose long strings, 24 letters on average where the walk has 15; here every
string of 11 letters or more counts as the walk draws it, on both sides, so that length tells
nothing. Padding is not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_uppercase
from typing import Any

import torch
from torch import Generator, Tensor

from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.task import Batch, Symbols

__papers__ = ("sparsity",)

Automaton = Mapping[int, tuple[tuple[str, int], ...]]
"""Of each state the letters that may follow, and where they lead."""

REBER: Automaton = {
    0: (("B", 1),),
    1: (("T", 2), ("P", 3)),
    2: (("S", 2), ("X", 4)),
    3: (("T", 3), ("V", 5)),
    4: (("X", 3), ("S", 6)),
    5: (("P", 4), ("V", 6)),
    6: (("E", 7),),
}
END = 7

_SHORTEST, _OTHER_LETTERS = 11, 0.56
_BRANCHES = [state for state, edges in REBER.items() if len(edges) == 2]


class ReberTask(GeneratedTask):
    """Say after the last letter whether a string is of Reber's grammar; guessing scores 0.5.

    Letters are their codes in ASCII, padding is 0.

    Args:
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set.
    """

    name = "reber"
    per_step = False
    metric = "accuracy"
    higher_is_better = True

    def __init__(self, seed: int = 0, held_out_sequences: int = 1000) -> None:
        super().__init__(seed, held_out_sequences)
        self.inputs, self.outputs = Symbols(128), Symbols(2)

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        """Inputs (B, T) with lengths, targets (B,); T is the longest string's."""
        require_at_least(1, batch_size=batch_size)
        targets = torch.randint(2, (batch_size,), generator=generator)
        chance = Chance(generator)
        strings = [valid(chance) if target else invalid(chance) for target in targets.tolist()]
        longest = max(map(len, strings))
        codes = [[*string.encode(), *[0] * (longest - len(string))] for string in strings]
        return Batch(torch.tensor(codes), targets, torch.tensor([*map(len, strings)]))

    def describe(self) -> dict[str, Any]:
        """The seed and what guessing scores."""
        return {"seed": self.seed, "guessing": {"accuracy": 0.5}}


class Chance:
    """Numbers from a generator, drawn many at a time: a tensor for each would take far longer.

    Args:
        generator: where they come from.
    """

    def __init__(self, generator: Generator) -> None:
        self._generator, self._left = generator, list[float]()

    def uniform(self) -> float:
        """From [0, 1)."""
        if not self._left:
            self._left = torch.rand(1000, generator=self._generator).tolist()
        return self._left.pop()

    def below(self, count: int) -> int:
        """From 0 … count − 1."""
        return int(self.uniform() * count)


def is_valid(string: str, automaton: Automaton = REBER) -> bool:
    """Whether an automaton writes a string."""
    state = 0
    for letter in string:
        state = dict(automaton.get(state, ())).get(letter, -1)
    return state == END


def valid(chance: Chance) -> str:
    """A string of the grammar."""
    return _walk(REBER, chance)


def invalid(chance: Chance) -> str:
    """A string of another automaton that is none of the grammar."""
    while True:
        other = _other_letters(chance) if chance.uniform() < _OTHER_LETTERS else _swapped(chance)
        string = _walk(other, chance)
        if not is_valid(string):
            return string


def _walk(automaton: Automaton, chance: Chance) -> str:
    """A string of `_SHORTEST` letters or more."""
    while True:
        state, letters = 0, list[str]()
        while state != END:
            edges = automaton[state]
            letter, state = edges[chance.below(len(edges))]
            letters.append(letter)
        if len(letters) >= _SHORTEST:
            return "".join(letters)


def _other_letters(chance: Chance) -> Automaton:
    """The automaton with other letters than T, P, S, X, V; B and E stay."""
    free = [letter for letter in ascii_uppercase if letter not in "BE"]
    names = {letter: free.pop(chance.below(len(free))) for letter in "TPSXV"}
    return {
        state: tuple((names.get(letter, letter), to) for letter, to in edges)
        for state, edges in REBER.items()
    }


def _swapped(chance: Chance) -> Automaton:
    """The automaton with the labels of one or two states swapped."""
    states = list(_BRANCHES)
    chosen = [states.pop(chance.below(len(states))) for _ in range(1 + chance.below(2))]
    changed = dict(REBER)
    for state in chosen:
        (first, there), (second, elsewhere) = REBER[state]
        changed[state] = ((second, there), (first, elsewhere))
    return changed


def letters(inputs: Tensor) -> str:
    """The string of a row of inputs (T,), padding left out."""
    return "".join(chr(code) for code in inputs.tolist() if code)
