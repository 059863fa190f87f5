"""Modular arithmetic: what is the value of an expression modulo m?

    2 + 3 * 4 - 1  ->  3 (mod 5)          (2 - (4 * 3))  ->  0 (mod 5)

Without brackets a finite automaton computes it; with them a stack is needed. Two rungs of the
Chomsky hierarchy of Delétang et al. 2023, "Neural networks and the Chomsky hierarchy",
arXiv 2207.02098; trained on short expressions and asked of long ones, as in DeltaProduct, arXiv
2502.10297. Deviation: brackets enclose pairs of operands only, without unary minus.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from ostinato.core.errors import ArgumentError
from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.task import Batch, Symbols

Below = Callable[[int], int]
"""Draws a number from 0 up to, and without, its argument."""

_OPERATIONS = "+-*"
_SIGNS = _OPERATIONS + "()="


class ModularArithmeticTask(GeneratedTask):
    """Give the value of an expression after its last symbol.

    Symbols are the numbers 0 … modulus−1, then `+ - * ( )`, and `=` at the end. Multiplication
    binds more tightly. Trivial score: guessing has an accuracy of about 1/modulus.

    Args:
        modulus: of the numbers and the answer.
        brackets: whether every operation stands in brackets, or none does.
        shortest: the least number of symbols of an expression, without `=`.
        longest: the greatest number in training.
        held_out_longest: that of held-out expressions, which are all longer than `longest`.
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set.
    """

    name = "modular_arithmetic"
    per_step = False
    metric = "accuracy"
    higher_is_better = True

    def __init__(
        self,
        modulus: int = 5,
        brackets: bool = False,
        shortest: int = 3,
        longest: int = 40,
        held_out_longest: int = 256,
        seed: int = 0,
        held_out_sequences: int = 500,
    ) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(2, modulus=modulus)
        require_at_least(1, shortest=shortest)
        # an operation adds an operator and an operand, and a pair of brackets where they are asked
        self._unit = 4 if brackets else 2
        self.modulus, self.brackets = modulus, brackets
        self.longest = longest
        self._training = self._operations(shortest, longest)
        self._held_out = self._operations(longest + 1, held_out_longest)
        self.inputs, self.outputs = Symbols(modulus + 6), Symbols(modulus)

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Inputs (B, T) with their lengths, targets (B,)."""
        return self._draw(generator, batch_size, self._training)

    def draw_held_out(self, generator: torch.Generator, batch_size: int) -> Batch:
        """As in training, but longer."""
        return self._draw(generator, batch_size, self._held_out)

    def describe(self) -> dict[str, Any]:
        """The seed and what guessing scores."""
        guessing = {"accuracy": 1 / self.modulus, "loss": math.log(self.modulus)}
        return {"seed": self.seed, "guessing": guessing}

    def _operations(self, shortest: int, longest: int) -> range:
        """How many operations an expression of `shortest` … `longest` symbols may hold."""
        counts = range(-(-(shortest - 1) // self._unit), (longest - 1) // self._unit + 1)
        if not counts:
            raise ArgumentError(
                f"No expression has {shortest} to {longest} symbols: they have 1 + {self._unit}n. "
                "Set shortest <= longest < held_out_longest further apart."
            )
        return counts

    def _draw(self, generator: torch.Generator, rows: int, counts: range) -> Batch:
        def below(stop: int) -> int:
            return int(torch.randint(stop, (), generator=generator))

        write = self._bracketed if self.brackets else self._flat
        drawn = [write(counts[below(len(counts))], below) for _ in range(rows)]
        symbols = [torch.tensor([*tokens, self._sign("=")]) for tokens, _ in drawn]
        values = torch.tensor([value % self.modulus for _, value in drawn])
        lengths = torch.tensor([len(tokens) for tokens in symbols])
        return Batch(pad_sequence(symbols, batch_first=True), values, lengths)

    def _flat(self, operations: int, below: Below) -> tuple[list[int], int]:
        """Symbols and value of an expression without brackets: a sum of products."""
        product = below(self.modulus)
        symbols, total = [product], 0
        for _ in range(operations):
            operation, number = below(3), below(self.modulus)
            symbols += [self.modulus + operation, number]
            if _OPERATIONS[operation] == "*":
                product = product * number % self.modulus
            else:
                total += product
                product = number if _OPERATIONS[operation] == "+" else -number
        return symbols, total + product

    def _bracketed(self, operations: int, below: Below) -> tuple[list[int], int]:
        """Symbols and value of an expression whose operations all stand in brackets."""
        if not operations:
            number = below(self.modulus)
            return [number], number
        operation, first = below(3), below(operations)
        left, a = self._bracketed(first, below)
        right, b = self._bracketed(operations - 1 - first, below)
        symbols = [self._sign("("), *left, self.modulus + operation, *right, self._sign(")")]
        return symbols, (a + b, a - b, a * b)[operation] % self.modulus

    def _sign(self, sign: str) -> int:
        return self.modulus + _SIGNS.index(sign)
