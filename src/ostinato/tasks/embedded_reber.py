"""Embedded Reber strings: the second symbol decides the last but one, whatever lies between.

A. Cleeremans, D. Servan-Schreiber, J. L. McClelland, 1989; S. E. Fahlman, 1991; as in
S. Hochreiter, J. Schmidhuber: Long Short-Term Memory, Neural Computation 9, 1997:

    B  T  <a Reber string>  T  E        B  P  <a Reber string>  P  E

A Reber string is a walk through an automaton from B to E.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.reber import REBER
from ostinato.tasks.task import Batch, Symbols

ALPHABET = "BTPSXVE"
_FIRST, _LAST = 1, 6
"""The states of `REBER` between the B and the E of a walk; second edges lead towards the end."""
_ROOM = 8
"""Steps beside the walk up to `longest`: both borders, and the way out."""


class EmbeddedReberTask(GeneratedTask):
    """Predict the next symbol; the score is about the last but one.

    Trivial score: who has forgotten the second symbol is right half of the time.

    Args:
        shortest: steps of the walk before which it does not end; 0: the plain grammar.
        longest: steps after which it takes the shortest way out.
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set.
    """

    name = "embedded_reber"
    metric = "accuracy on the last but one symbol"
    higher_is_better = True

    def __init__(
        self,
        shortest: int = 0,
        longest: int = 20,
        seed: int = 0,
        held_out_sequences: int = 500,
    ) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(0, shortest=shortest)
        require_at_least(shortest, longest=longest)
        self.shortest, self.longest = shortest, longest
        self.inputs = self.outputs = Symbols(len(ALPHABET))

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Inputs and targets (B, longest + 8), the target being the next symbol; lengths (B,)."""
        choices = torch.randint(2, (batch_size, self.longest + _ROOM), generator=generator)
        strings = [self._string(row) for row in choices.tolist()]
        whole = torch.zeros(batch_size, self.longest + _ROOM + 1, dtype=torch.long)
        for row, string in zip(whole, strings, strict=True):
            row[: len(string)] = torch.tensor([ALPHABET.index(symbol) for symbol in string])
        lengths = torch.tensor([len(string) - 1 for string in strings])
        return Batch(whole[:, :-1], whole[:, 1:], lengths)

    def score(self, outputs: Tensor, batch: Batch) -> tuple[float, float]:
        """How often the last but one symbol was foretold; outputs (B, T, 7)."""
        assert batch.lengths is not None
        rows, place = torch.arange(batch.size), batch.lengths - 2
        right = outputs[rows, place].argmax(-1) == batch.targets[rows, place]
        return float(right.sum()), float(batch.size)

    def describe(self) -> dict[str, Any]:
        """The seed and what guessing scores."""
        return {"seed": self.seed, "guessing": {"accuracy": 0.5}}

    def _string(self, choices: list[int]) -> str:
        kept, *choices = choices
        walk, state = "", _FIRST
        while state != _LAST:
            edge = choices[len(walk)] if len(walk) < self.longest else 1
            symbol, after = REBER[state][edge]
            if after == _LAST and len(walk) < self.shortest:
                symbol, after = REBER[state][0]
            walk, state = walk + symbol, after
        border = "TP"[kept]
        return f"B{border}B{walk}E{border}E"
