"""What is analysed: one recurrent layer of a trained model, on the task's own data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ostinato.analysis.derivative import flatten
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError
from ostinato.core.state import State, map_state
from ostinato.models.sequence_model import SequenceModel
from ostinato.over.layer import Options
from ostinato.over.time import RNN
from ostinato.tasks.task import Batch, Task


@dataclass(frozen=True)
class Subject:
    """A layer of a model, with sequences of its task.

    Attributes:
        model: a trained model with layers of kind `RNN` that run along time, alone or inside of
            blocks.
        task: what it was trained on.
        layer: the number of the `RNN`, from 0.
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
        recurrent = (each for each in self.model.layer.modules() if isinstance(each, RNN))
        found = [each for each in recurrent if not each.reverse]
        if not 0 <= self.layer < len(found):
            raise ArgumentError(
                f"There is no layer {self.layer} to analyze: expected a model with layers of "
                "kind RNN that run along time, numbered from 0; this one has "
                f"{len(found)} of them."
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
        rnn, read = self.rnn, []

        def listen(x: Any, state: State | None, options: Options) -> tuple[Any, ...]:
            read.append(x)
            return RNN.run(rnn, x, state, options)

        # Blocks call `run`, which no hook of a module sees.
        rnn.run = listen  # type: ignore[method-assign]
        try:
            with torch.no_grad():
                self.model.eval()(self.batch.inputs)
        finally:
            del rnn.run
        found: Tensor = read[0]
        return found

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
