"""Binary multiplication and addition: read two numbers, write the result digit by digit.

The tasks on which Ł. Kaiser, I. Sutskever, "Neural GPUs Learn Algorithms", 2016, arXiv 1511.08228,
train, and A. Neelakantan et al., 2015, arXiv 1511.06807, count how often gradient noise helps:

    input   a_1 … a_L  operator  b_1 … b_L          the lowest digits first
    target  c_1 … c_{2L+1}                          zeros above the highest digit

Deviation: both numbers have L digits, and zeros above the highest digit of the result are asked
for too, where the paper's target is padded with a symbol of its own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError
from ostinato.tasks.arguments import require_at_least, require_one_of
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.task import Batch, Symbols

_OPERATOR = 2
_EXACT = 31
"""Digits up to which a product fits into 63 bits."""


class BinaryArithmeticTask(GeneratedTask):
    """Multiply or add numbers of 1 to `digits` digits; all rows of a batch have equally many.

    Trivial score: an accuracy of digits of about 1/2, more by the zeros above the result.

    Args:
        operation: "multiply" or "add".
        digits: how many digits the numbers have at most, in training.
        tested_digits: how many they have in the held-out set; None: `digits`.
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set.
    """

    name = "binary_arithmetic"
    metric = "accuracy of digits"
    higher_is_better = True
    inputs: Symbols
    outputs: Symbols

    def __init__(
        self,
        operation: str = "multiply",
        digits: int = 4,
        tested_digits: int | None = None,
        seed: int = 0,
        held_out_sequences: int = 1000,
    ) -> None:
        super().__init__(seed, held_out_sequences)
        require_one_of(("multiply", "add"), operation=operation)
        tested = digits if tested_digits is None else tested_digits
        require_at_least(1, digits=digits, tested_digits=tested)
        if max(digits, tested) > _EXACT:
            raise ArgumentError(
                f"Numbers have at most {_EXACT} digits here; got {max(digits, tested)}."
            )
        self.operation, self.digits, self.tested_digits = operation, digits, tested
        self.inputs, self.outputs = Symbols(_OPERATOR + 1), Symbols(2)

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Inputs and targets (B, 2L+1), L drawn for the batch."""
        digits = int(torch.randint(1, self.digits + 1, (), generator=generator))
        return self._of(digits, generator, batch_size)

    def draw_held_out(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Inputs and targets (B, 2L+1), L the number of digits to be tested."""
        return self._of(self.tested_digits, generator, batch_size)

    def describe(self) -> dict[str, Any]:
        """The seed and the operation."""
        return {"seed": self.seed, "operation": self.operation}

    def _of(self, digits: int, generator: torch.Generator, batch_size: int) -> Batch:
        pair = torch.randint(2, (2, batch_size, digits), generator=generator)
        a, b = (pair << torch.arange(digits)).sum(-1)
        result = a * b if self.operation == "multiply" else a + b
        operator = torch.full((batch_size, 1), _OPERATOR)
        inputs = torch.cat([pair[0], operator, pair[1]], 1)
        return Batch(inputs, _binary(result, 2 * digits + 1))


def _binary(numbers: Tensor, digits: int) -> Tensor:
    """(B,) to (B, digits), the lowest first."""
    return numbers[:, None] >> torch.arange(digits) & 1
