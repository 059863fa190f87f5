"""The nets of the experiment on DeltaProduct: the paper's, one layer, without convolution."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ostinato.experiments.experiment import Track
from ostinato.experiments.fit import fit
from ostinato.models.time.delta_product import DeltaProductClassifier
from ostinato.models.time.delta_product_layer import DeltaProductConfig
from ostinato.tasks.task import Symbols, Task


@dataclass(frozen=True)
class Shape:
    """The transition of a net's layers.

    Attributes:
        updates: a step.
        negative: whether eigenvalues reach −1.
    """

    updates: int
    negative: bool = True

    def __str__(self) -> str:
        return f"n = {self.updates}, eigenvalues in [{-1 if self.negative else 0}, 1]"


@dataclass(frozen=True)
class Training:
    """How large a net is, and how it learns.

    Attributes:
        width: of the model.
        heads: of its layer; a key has width / heads numbers.
        updates: optimizer steps.
        batch: rows.
        rate: peak of the learning rate.
    """

    width: int
    heads: int
    updates: int
    batch: int = 64
    rate: float = 3e-3


def build(task: Task, shape: Shape, training: Training) -> DeltaProductClassifier:
    """One layer without convolution and gates, so that nothing else can track a state."""
    assert isinstance(task.inputs, Symbols)
    assert isinstance(task.outputs, Symbols)
    config = DeltaProductConfig(
        symbols=task.inputs.count,
        width=training.width,
        layers=1,
        num_heads=training.heads,
        head_dim=training.width // training.heads,
        num_householder=shape.updates,
        allow_neg_eigval=shape.negative,
        use_forget_gate=False,
        use_output_gate=False,
        use_short_conv=False,
    )
    # Inside a training step chunks are as fast as generated code, and nothing is compiled.
    return DeltaProductClassifier(
        config, task.outputs.count, per_step=task.per_step, engine="chunk"
    )


def trained(
    task: Task, shape: Shape, training: Training, seed: int, track: Track, name: str
) -> tuple[DeltaProductClassifier, list[float]]:
    """A net that learned the task, and the loss of every step."""
    torch.manual_seed(seed)
    net = build(task, shape, training)
    steps = track(range(training.updates), f"{name}, {shape}, seed {seed}")
    return net, fit(net, task, steps, training.updates, training.rate, training.batch)
