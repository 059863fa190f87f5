"""The shape of an LSSL network, and the shapes that the paper gives for its tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ostinato.cells.hippo import System
from ostinato.core.errors import ArgumentError, nearest

__papers__ = ("lssl",)

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "relu": F.relu,
    "tanh": torch.tanh,
    "identity": lambda x: x,
}
"""What may stand behind an LSSL."""


@dataclass(frozen=True)
class LSSLConfig:
    """The shape of an LSSL network.

    Attributes:
        inputs: D, numbers at every step.
        outputs: K, of the head.
        width: H, the features.
        state: N, states of each feature.
        depth: blocks.
        channels: M, outputs of each feature.
        measure: as for `LSSLCell`.
        learn: "fixed" (LSSL-f), "shared" or "separate", as for `LSSLCell`.
        learn_step: whether δ is learned.
        step_min: smallest δ at the beginning.
        step_max: largest δ at the beginning.
        step_init: "random" or "linspace".
        discretisation: as for `LSSLCell`.
        activation: "gelu", "relu", "tanh" or "identity".
        norm: "pre", for hard data; "post", for data that are overfitted.
        dropout: probability of dropping a unit after the activation, in training.
        bidirectional: a second LSSL in every block, that runs from the end.
        mix: whether there are W and b; without, M must be 1 and the block run one way.
        pool: answer from the "last" step or the "mean" of all; "none": at every step.
        mode: "auto", "convolution" or "recurrence", as for `LSSL`.
        structured: as for `LSSL`.
    """

    inputs: int = 1
    outputs: int = 10
    width: int = 128
    state: int = 128
    depth: int = 6
    channels: int = 1
    measure: str | System = "legs"
    learn: str = "shared"
    learn_step: bool = True
    step_min: float = 1e-3
    step_max: float = 1e-1
    step_init: str = "random"
    discretisation: str | float = "bilinear"
    activation: str = "gelu"
    norm: str = "pre"
    dropout: float = 0.0
    bidirectional: bool = False
    mix: bool = True
    pool: str = "last"
    mode: str = "auto"
    structured: bool = False

    def __post_init__(self) -> None:
        sizes = ("inputs", "outputs", "width", "state", "depth", "channels")
        if wrong := [f"{name}={getattr(self, name)}" for name in sizes if getattr(self, name) < 1]:
            raise ArgumentError(f"{', '.join(sizes)} must be at least 1; got {', '.join(wrong)}.")
        chosen = {"activation": ACTIVATIONS, "norm": ("pre", "post"), "pool": _POOLS}
        for name, known in chosen.items():
            value = getattr(self, name)
            if value not in known:
                raise ArgumentError(f"No {name} is called {value!r}. {nearest(value, known)}")
        if not 0 <= self.dropout < 1:
            raise ArgumentError(f"dropout must lie in [0, 1); got {self.dropout}.")
        if not self.mix and (self.channels > 1 or self.bidirectional):
            raise ArgumentError(
                "Without mix a block puts out what its LSSL does, which must be of the width of "
                f"its input; got channels={self.channels}, bidirectional={self.bidirectional}."
            )

    @staticmethod
    def published(task: str, **options: Any) -> LSSLConfig:
        """The network that the paper gives for a task.

        Args:
            task: e.g. "sMNIST"; all are in `PUBLISHED`.
            options: what differs, e.g. `learn="fixed"` for LSSL-f, and `inputs` and `outputs`,
                which the paper leaves to the data.

        Raises:
            ArgumentError: if the paper has no such task.
        """
        if task not in PUBLISHED:
            raise ArgumentError(f"No task is called {task!r}. {nearest(task, PUBLISHED)}")
        return replace(PUBLISHED[task], **options)


_POOLS = ("last", "mean", "none")
_SMALL = LSSLConfig(width=128, state=128, depth=6, channels=1)
_LARGE = LSSLConfig(width=256, state=256, depth=4, channels=4)

PUBLISHED = {
    "sMNIST": replace(_SMALL, dropout=0.2),
    "pMNIST": replace(_SMALL, dropout=0.2),
    "sCIFAR": replace(_LARGE, dropout=0.3),
    "RR": replace(_SMALL, outputs=1, dropout=0.1),
    "HR": replace(_SMALL, outputs=1, dropout=0.2),
    "SpO2": replace(_SMALL, outputs=1, dropout=0.1),
    "SC-raw": replace(_LARGE, state=128, channels=2, dropout=0.2),
    "SC-MFCC": replace(_SMALL, dropout=0.4),
    "sCelebA": replace(_LARGE, outputs=2, state=128, depth=3, dropout=0.1),
}
"""The networks of the paper, by its names for the tasks."""
