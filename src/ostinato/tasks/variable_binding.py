"""Binding variables: continue a series whose every vector is a signed choice of earlier numbers.

    u_t = F [u_{t−s}; …; u_{t−1}],    one entry ±1 in every row of F (d, s·d)

The first s vectors, of −1 and 1, are given; then the input is 0. A choice is written as three
whole numbers: (1) a bit for each of the s·d earlier numbers that is chosen, the oldest first;
(2) in base d, exchanges: its digit k, the lowest first, exchanges the choices k and k + digit;
(3) a bit for each row whose sign is turned.

A. Karuvally, T. J. Sejnowski, H. T. Siegelmann, "Hidden Traveling Waves bind Working Memory
Variables in Recurrent Neural Networks", ICML 2024, arXiv 2402.10163.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError
from ostinato.tasks.arguments import require_at_least, require_one_of
from ostinato.tasks.generated import GeneratedTask
from ostinato.tasks.task import Batch, Values

__papers__ = ("hidden-waves",)

Binding = str | tuple[int, int, int]

_NAMED = ("repeat", "compose")


def boundary(binding: Binding, size: int, columns: int) -> Tensor:
    """F of a binding.

    Args:
        binding: "repeat", the oldest vector again; "compose", its number k from the vector k;
            or three whole numbers, see the head of this file.
        size: d.
        columns: s; for "compose" at least d.

    Returns:
        F (d, s·d), the oldest vector first.

    Raises:
        ArgumentError: if the numbers choose none or too many, or exchange what is not there.
    """
    chosen, exchanges, signs = _numbers(binding, size, columns)
    places = [place for place in range(size * columns) if chosen >> place & 1]
    if len(places) != size or chosen >> size * columns:
        raise ArgumentError(
            f"The first number of a binding has {size} bits set, all below bit {size * columns}; "
            f"got {chosen:#b}."
        )
    for k in range(size):
        exchanges, digit = divmod(exchanges, size) if size > 1 else (0, 0)
        if k + digit >= size:
            raise ArgumentError(
                f"Digit {k} of the second number exchanges choices {k} and {k + digit}, and there "
                f"are {size}. It must be below {size - k}."
            )
        places[k], places[k + digit] = places[k + digit], places[k]
    weights = torch.zeros(size, size * columns)
    for k, place in enumerate(places):
        weights[k, place] = -1.0 if signs >> k & 1 else 1.0
    return weights


class VariableBindingTask(GeneratedTask):
    """Continue the series for `horizon` steps after its first `columns` vectors.

    Loss and score are over these steps: half the squared error, and how many signs are right.
    Trivial score: 0.5.

    Args:
        size: d, numbers in a vector.
        columns: s, how many vectors a step depends on.
        binding: see `boundary`.
        horizon: steps to continue.
        seed: what all batches derive from.
        held_out_sequences: the size of the held-out set.
    """

    name = "variable_binding"
    metric = "accuracy of signs"
    higher_is_better = True

    def __init__(
        self,
        size: int = 8,
        columns: int = 8,
        binding: Binding = "repeat",
        horizon: int = 100,
        seed: int = 0,
        held_out_sequences: int = 1000,
    ) -> None:
        super().__init__(seed, held_out_sequences)
        require_at_least(1, size=size, columns=columns, horizon=horizon)
        self.size, self.columns, self.horizon = size, columns, horizon
        self.binding = binding
        self.boundary = boundary(binding, size, columns)
        self.inputs = self.outputs = Values(size)

    def draw(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Inputs and targets (B, s + horizon, d); the first s targets have no weight."""
        bits = torch.randint(2, (batch_size, self.columns, self.size), generator=generator)
        series = [*(2.0 * bits - 1).unbind(1)]
        for t in range(self.horizon):
            series.append(torch.cat(series[t:], 1) @ self.boundary.T)
        targets = torch.stack(series, 1)
        given = torch.arange(targets.shape[1]) < self.columns
        weights = (~given).float().expand(batch_size, -1)
        return Batch(targets * given[:, None], targets, weights=weights)

    def score(self, outputs: Tensor, batch: Batch) -> tuple[float, float]:
        """Right signs after the first s steps, and all there are; outputs (B, T, d)."""
        right = (outputs > 0) == (batch.targets > 0)
        weights = batch.target_weights(per_step=True)[..., None].expand_as(right)
        return float((right * weights).sum()), float(weights.sum())

    def describe(self) -> dict[str, Any]:
        """The seed and what guessing scores."""
        return {"seed": self.seed, "guessing": {"accuracy": 0.5, "loss": 0.5}}


def _numbers(binding: Binding, size: int, columns: int) -> tuple[int, int, int]:
    if not isinstance(binding, str):
        return binding
    require_one_of(_NAMED, binding=binding)
    if binding == "repeat":
        return 2**size - 1, 0, 0
    return sum(1 << k * (size + 1) for k in range(size)), 0, 0
