"""Learning from a stream of text while it comes, one piece of a line after the other.

    tail -F app.log | ostinato train --online --cell ELSTM --out runs/app

Every byte is predicted before it is learned, so the loss is one on text that was never seen. After
each piece the weights are updated, by gradients that reach back to the first byte (`train/rtrl`).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils import _pytree as pytree

from ostinato.core.errors import ArgumentError, CheckpointError, TrainingError
from ostinato.core.state import leaves
from ostinato.tasks.task import Symbols
from ostinato.tasks.vocabulary import ByteVocabulary
from ostinato.train import checkpoint
from ostinato.train.build import Ports, build_model, build_optimizer, build_transforms
from ostinato.train.config import TrainConfig
from ostinato.train.rtrl.learner import RTRL, Carried
from ostinato.train.schedule import learning_rate_factor

__papers__ = ("rtrl",)

PIECE = 16
"""Bytes between updates, if the configuration names no window."""
_MOST = 2**30
_HORIZON = 1000
_BUDGET = frozenset({"steps", "minutes", "checkpoint_every", "evaluate_every", "patience"})


@dataclass
class Tally:
    """How well the stream was predicted.

    Attributes:
        bits: that all of it cost.
        characters: in all of it.
        late_bits: of these the late ones, older ones faded.
        late_characters: the same of characters.
    """

    bits: float = 0.0
    characters: float = 0.0
    late_bits: float = 0.0
    late_characters: float = 0.0

    def add(self, bits: float, characters: int) -> None:
        """Count a piece."""
        keep = math.exp(-characters / _HORIZON)
        self.bits, self.characters = self.bits + bits, self.characters + characters
        self.late_bits = keep * self.late_bits + bits
        self.late_characters = keep * self.late_characters + characters

    @property
    def whole(self) -> float:
        """Bits per character of all of it."""
        return self.bits / max(self.characters, 1)

    @property
    def late(self) -> float:
        """Bits per character of about the last thousand."""
        return self.late_bits / max(self.late_characters, 1)


class OnlineLearner:
    """A model of bytes that learns a piece at a time.

    Symbols are one-hot, whatever `embedding_size` says: an embedding would be a layer below the
    recurrent one, and its gradient truncated.

    Args:
        config: cell, sizes, optimizer; the learning rate stays constant after its warm-up.
        method: of `RTRL`.

    Attributes:
        step: updates done.
        position: bytes learned.
        tally: how well they were predicted.

    Raises:
        ArgumentError: if learning so would take more than 1 GiB, with what it would take.
    """

    def __init__(self, config: TrainConfig, method: str = "exact") -> None:
        self.config, self.method = replace(config, embedding_size=None), method
        self.vocabulary, ports = ByteVocabulary(), Ports(Symbols(256), Symbols(256), per_step=True)
        self.ports, self.model = ports, build_model(self.config, ports)
        layer: Any = self.model.layer
        self.learner = RTRL(layer, method)
        self._check_cost()
        self.optimizer = build_optimizer(self.config, self.model)
        self.transforms = build_transforms(self.config)
        self.carried: Carried | None = None
        self.last, self.step, self.position, self.tally = ord("\n"), 0, 0, Tally()

    def learn(self, piece: bytes) -> float:
        """Predict a piece, then learn it; returns the bits that it cost.

        Raises:
            TrainingError: if the loss is not finite; the weights are as before.
        """
        symbols = torch.tensor([[self.last, *piece]])
        encoded = self.model.encoder(symbols[:, :-1])
        hidden, carried = self.learner(encoded, self.carried)
        logits = self.model.head(hidden)
        loss = F.cross_entropy(logits[0], symbols[0, 1:])
        if not loss.isfinite():
            raise TrainingError(
                f"the loss of update {self.step} is {loss.item()}. Nothing of it was kept; "
                "continue from the last checkpoint with --resume, or begin anew with a smaller "
                "--learning_rate."
            )
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self._update()
        bits = loss.item() * len(piece) / math.log(2)
        self.tally.add(bits, int(self.vocabulary.begins()[list(piece)].sum()))
        self.carried, self.last = carried, piece[-1]
        self.step, self.position = self.step + 1, self.position + len(piece)
        return bits

    def content(self) -> dict[str, Any]:
        """What a checkpoint holds: all that learning goes on with, and what generating needs."""
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "transforms": self.transforms.state_dict(),
            "carried": None if self.carried is None else leaves(tuple(self.carried)),
            "last": self.last,
            "position": self.position,
            "tally": vars(self.tally),
            "early_stopping": {"best": self.tally.late},
            "config": self.config.to_json(),
            "identity": self._identity(),
            "ports": self.ports.to_json(),
            "vocabulary": self.vocabulary.as_dict(),
        }

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            CheckpointError: if it is of another kind of run, or of other settings.
        """
        content = checkpoint.load(path)
        saved, own = content["identity"], self._identity()
        names = [name for name in own if saved.get(name) != own[name]]
        if names or "tally" not in content:
            listed = ", ".join(f"--{n} was {saved.get(n)!r}, is {own[n]!r}" for n in names)
            raise CheckpointError(
                f"{path} belongs to a run with other settings: {listed}. Continue with the "
                "settings it had, or begin a new run with another --out."
            )
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.transforms.load_state_dict(content["transforms"])
        self.carried = content["carried"] and self._filled(content["carried"])
        self.last, self.step = content["last"], content["step"]
        self.position, self.tally = content["position"], Tally(**content["tally"])

    def _filled(self, values: list[torch.Tensor]) -> Carried:
        """What was carried, in the form that a first segment returns."""
        with torch.no_grad():
            _, like = self.learner(self.model.encoder(torch.tensor([[self.last]])))
        left = iter(values)
        return Carried(*pytree.tree_map(lambda leaf: leaf if leaf is None else next(left), like))

    def _update(self) -> None:
        self.transforms(self.optimizer.param_groups)
        factor = learning_rate_factor("constant", 0.0, self.step, self.config.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * factor
        self.optimizer.step()

    def _check_cost(self) -> None:
        cost = self.learner.explain(self.model.encoder(torch.zeros(1, 1, dtype=torch.long)))
        if cost.memory > _MOST:
            raise ArgumentError(
                f"To learn {self.config.cell} online would take {cost.memory / 2**30:.1f} GiB, "
                f"{cost.numbers:,} numbers, since its units mix. Take one whose units do not, e.g. "
                "--cell ELSTM or --cell ParaGRU, or a smaller --hidden_size."
            )

    def _identity(self) -> dict[str, Any]:
        values = self.config.identity() | {"method": self.method}
        known: dict[str, Any] = json.loads(json.dumps(values, default=str))
        return {name: value for name, value in known.items() if name not in _BUDGET}
