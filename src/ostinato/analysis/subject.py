"""What is analysed: one recurrent layer of a trained model, on the task's own data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from ostinato.analysis.derivative import flatten
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError
from ostinato.core.state import map_state
from ostinato.models.sequence_model import SequenceModel
from ostinato.over.time import RNN, Stack
from ostinato.tasks.task import Batch, Task


@dataclass(frozen=True)
class Subject:
    """A layer of a model, with sequences of its task.

    Attributes:
        model: a trained model whose layer is a `Stack` of `RNN`s, or one `RNN`.
        task: what it was trained on.
        layer: the number of the layer, from 0.
        sequences: how many held-out sequences are looked at.
        steps: the most steps of each; None: all.
    """

    model: SequenceModel
    task: Task
    layer: int = 0
    sequences: int = 16
    steps: int | None = None

    @cached_property
    def rnn(self) -> RNN:
        """The layer.

        Raises:
            ArgumentError: if the model has no such layer.
        """
        found = [each for each in self._layers if isinstance(each, RNN)]
        if not 0 <= self.layer < len(found) == len(self._layers):
            raise ArgumentError(
                f"There is no layer {self.layer} to analyze: expected a model with layers of "
                f"kind RNN, numbered from 0; this one has {len(found)} such layers of "
                f"{len(self._layers)}."
            )
        return found[self.layer]

    @property
    def cell(self) -> Cell:
        """The cell of the layer."""
        return self.rnn.cell

    @cached_property
    def batch(self) -> Batch:
        """Sequences of the task's first held-out split, cut to `steps`."""
        whole = next(iter(self.task.held_out(self.task.splits[0], self.sequences)))
        if self.steps is None or whole.inputs.shape[1] <= self.steps:
            return whole
        if not self.task.per_step:
            raise ArgumentError(
                f"The task {self.task.name!r} answers after the last step, so its sequences "
                "cannot be cut. Leave `steps` out."
            )
        inputs, targets = whole.inputs[:, : self.steps], whole.targets[:, : self.steps]
        return Batch(inputs, targets)

    @cached_property
    def x(self) -> Tensor:
        """What the layer reads, (B, T, D)."""
        self.rnn  # noqa: B018  # the layer must exist before those below it are run
        with torch.no_grad():
            y: Tensor = self.model.eval().encoder(self.batch.inputs)
            for layer in self._layers[: self.layer]:
                y = layer(y)[0]
        return y

    @cached_property
    def states(self) -> Tensor:
        """The states of the layer after every step, leaves side by side, (B, T, S)."""
        with torch.no_grad():
            states = self.rnn.eval()(self.x, return_states=True)[2]
        rows, steps = self.x.shape[:2]
        return flatten(map_state(lambda leaf: leaf.flatten(0, 1), states)).view(rows, steps, -1)

    @property
    def targets(self) -> Tensor:
        """What the task asks for: classes, or numbers, (B,) or (B, T)."""
        targets = self.batch.targets
        if targets.is_floating_point() and targets.shape[-1] == 1:
            return targets[..., 0]
        return targets

    @property
    def _layers(self) -> list[nn.Module]:
        layer = self.model.layer
        return [*layer.layers] if isinstance(layer, Stack) else [layer]
