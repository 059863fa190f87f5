"""LSSL: a deep network of linear state spaces.

A linear encoder, blocks (`lssl_block`), and a linear head on the last step, on the mean of all
steps, or at every step; in front of the head another layer norm, if those of the blocks stand in
front too.

Source: Gu, Johnson, Goel, Saab, Dao, Rudra & Ré 2021, "Combining Recurrent, Convolutional, and
Continuous-time Models with Linear State-Space Layers", NeurIPS 2021, arXiv 2110.13985.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import nn

from ostinato.cells.lssl import LSSLCell
from ostinato.core.errors import ArgumentError
from ostinato.models.sequence_model import SequenceModel
from ostinato.models.time.lssl_block import LSSLBlock
from ostinato.models.time.lssl_config import LSSLConfig
from ostinato.models.time.running_mean import RunningMean
from ostinato.over.layer import SequenceLayer
from ostinato.over.time import RNN, Stack

__papers__ = ("lssl",)


class LSSLNet(SequenceModel):
    """The network; called and streamed as every `SequenceModel`.

        net = LSSLNet(LSSLConfig.published("sMNIST"))
        logits, state = net(pixels)                     # (B, T, 1) to (B, 10)
        optimizer = torch.optim.Adam(net.parameter_groups(4e-3))
        net.resample(2.0)                               # from now on every second pixel only
        logits, state = net.discrete().step(pixel)      # a stream

    Args:
        config: its shape, e.g. `LSSLConfig.published("pMNIST", learn="fixed")`.
        engine: of the recurrent views; "auto" chooses.
        device: of the parameters.
        dtype: of the parameters.
    """

    def __init__(
        self,
        config: LSSLConfig,
        engine: str = "auto",
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        blocks: list[SequenceLayer] = [LSSLBlock(config, engine, **on) for _ in range(config.depth)]
        if config.pool == "mean":
            blocks.append(RNN(RunningMean(config.width, **on), engine))
        norm = nn.LayerNorm(config.width, **on) if config.norm == "pre" else nn.Identity()
        head = nn.Sequential(norm, nn.Linear(config.width, config.outputs, **on))
        encoder = nn.Linear(config.inputs, config.width, **on)
        super().__init__(encoder, Stack(blocks), head, per_step=config.pool == "none")
        self.config = config

    def cells(self) -> list[LSSLCell]:
        """The systems, lowest first."""
        return [module for module in self.modules() if isinstance(module, LSSLCell)]

    def resample(self, rate: float) -> None:
        """Read inputs whose steps are `rate` times as long as those of the training.

        Raises:
            ArgumentError: if the rate is not positive and finite, or the net is discrete.
        """
        if not self.cells():
            raise ArgumentError(
                "A discrete net has the rate at which it was made: resample the net that it is a "
                "copy of, and call discrete() again."
            )
        for cell in self.cells():
            cell.resample(rate)

    def discrete(self) -> LSSLNet:
        """A copy for streams: every Ā and B̄ is computed once, from today's parameters and rate."""
        copy = deepcopy(self)
        for block in copy.modules():
            if isinstance(block, LSSLBlock):
                block.make_discrete()
        return copy

    def parameter_groups(
        self, rate: float, system_rate: float = 1e-4, step_rate: float = 1e-3
    ) -> list[dict[str, Any]]:
        """For an optimizer: A and B, and δ, with small learning rates and without weight decay.

        Args:
            rate: the learning rate of everything else.
            system_rate: that of A and B.
            step_rate: that of log δ.
        """
        kinds: dict[str, list[nn.Parameter]] = {"rest": [], "system": [], "step": []}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                kinds[_kind(name)].append(parameter)
        groups: list[dict[str, Any]] = [
            {"params": kinds["rest"], "lr": rate},
            {"params": kinds["system"], "lr": system_rate, "weight_decay": 0.0},
            {"params": kinds["step"], "lr": step_rate, "weight_decay": 0.0},
        ]
        return [group for group in groups if group["params"]]


def _kind(name: str) -> str:
    """Of a parameter by its path."""
    if name.endswith("log_step"):
        return "step"
    return "system" if ".system." in name else "rest"
