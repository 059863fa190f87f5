"""The contract of a task: batches as a pure function of the step, a loss, a metric.

A training batch depends on `(task, step, batch_size)` only: no loader holds a position, so a
run that was killed resumes bit for bit, and two processes that take rows of the same batch
train as one process does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Symbols:
    """Integers 0 … count−1: embedded as input, a softmax as output."""

    count: int


@dataclass(frozen=True)
class Values:
    """Real vectors of `size` features: a linear map as input and as output."""

    size: int


@dataclass(frozen=True)
class Batch:
    """One batch; every tensor is batch-first.

    Attributes:
        inputs: symbols (B, T) int64, or values (B, T, D).
        targets: per step (B, T) int64 or (B, T, K); per sequence (B,) int64 or (B, K).
        lengths: valid steps of each row (B,) int64; None: all T.
        resets: (B, T) bool, true where a new sequence starts inside a row; None: nowhere.
        weights: of each target in loss and metric, (B, T) or (B,) float; None: 1 on valid steps.
    """

    inputs: Tensor
    targets: Tensor
    lengths: Tensor | None = None
    resets: Tensor | None = None
    weights: Tensor | None = None

    @property
    def size(self) -> int:
        """The number of rows B."""
        return self.inputs.shape[0]

    def rows(self, start: int, stop: int) -> Batch:
        """The same batch, rows `start` to `stop` only: the share of one process."""
        return self._map(lambda tensor: tensor[start:stop])

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on `device`."""
        return self._map(lambda tensor: tensor.to(device))

    def _map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        present = ((f.name, getattr(self, f.name)) for f in fields(self))
        return replace(self, **{k: function(v) for k, v in present if v is not None})

    def target_weights(self, per_step: bool) -> Tensor:
        """`weights`, or 1 on valid steps and 0 on padding: (B, T) if `per_step`, else (B,)."""
        if self.weights is not None:
            return self.weights
        if not per_step:
            return torch.ones(self.size, device=self.inputs.device)
        steps = torch.arange(self.inputs.shape[1], device=self.inputs.device)
        if self.lengths is None:
            return torch.ones(self.size, len(steps), device=steps.device)
        return (steps < self.lengths[:, None]).float()


class Task(ABC):
    """What a model is trained on.

    Attributes:
        name: the name on the command line.
        inputs: what the model reads at every step.
        outputs: what it predicts: `Symbols` (softmax, cross-entropy) or `Values` (squared error).
        per_step: one target for every step, or one for the whole sequence.
        continues: batch k+1 continues the rows of batch k, so the state is to be carried.
        metric: what `score` measures, with its unit, e.g. "bits per character" or "accuracy".
        higher_is_better: whether a larger metric is better.
        splits: the held-out splits, the one to choose models by first.
    """

    name: ClassVar[str]
    inputs: Symbols | Values
    outputs: Symbols | Values
    per_step: bool = True
    continues: bool = False
    metric: str
    higher_is_better: bool
    splits: tuple[str, ...] = ("valid",)

    @abstractmethod
    def batch(self, step: int, batch_size: int) -> Batch:
        """The training batch of `step` (from 0): a pure function of its arguments."""

    @abstractmethod
    def held_out(self, split: str, batch_size: int) -> Iterator[Batch]:
        """The batches of a held-out split, in a fixed order.

        If the task `continues`, they continue one another in the same rows.
        """

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean loss over the weighted targets: cross-entropy in nats, or half squared error.

        Args:
            outputs: (B, T, K) per step, or (B, K) per sequence.
            batch: what the outputs answer.
        """
        each, weights = self._losses(outputs, batch), batch.target_weights(self.per_step)
        return (each * weights).sum() / weights.sum().clamp_min(1)

    def score(self, outputs: Tensor, batch: Batch) -> tuple[float, float]:
        """The metric's (sum, count) over a batch; their quotient over all batches is the metric."""
        weights = batch.target_weights(self.per_step)
        if isinstance(self.outputs, Symbols):
            each = (outputs.argmax(-1) == batch.targets).to(weights.dtype)
        else:
            each = (outputs - batch.targets).square().mean(-1)
        return float((each * weights).sum()), float(weights.sum())

    def describe(self) -> dict[str, Any]:
        """What identifies the data, e.g. counts, versions, sha256: written beside every score."""
        return {}

    def _losses(self, outputs: Tensor, batch: Batch) -> Tensor:
        if isinstance(self.outputs, Symbols):
            flat = F.cross_entropy(
                outputs.flatten(0, -2), batch.targets.flatten(), reduction="none"
            )
            return flat.view(batch.targets.shape)
        return (outputs - batch.targets).square().mean(-1) / 2
