"""The pair A, B of a state space, fixed or learned, one for all features or one for each."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ostinato.cells.discretise import discretise
from ostinato.cells.hippo import System

__papers__ = ("lssl",)


class StateMatrix(nn.Module):
    """A and B as they are.

    Args:
        system: A (N, N) and B (N,).
        learned: whether they are parameters; else they are buffers.
        copies: H, one pair for each feature; None: one for all.
        device: of the tensors.
        dtype: of the tensors.
    """

    A: Tensor
    B: Tensor

    def __init__(
        self,
        system: System,
        learned: bool = False,
        copies: int | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        tensors = dict(zip("AB", system, strict=True))
        hold(self, tensors, learned, copies, device, dtype)

    def matrices(self) -> System:
        """A (N, N) and B (N,), or (H, N, N) and (H, N)."""
        return self.A, self.B

    def discretised(self, step: Tensor, method: str | float = "bilinear") -> System:
        """Ā (H, N, N) and B̄ (H, N) for steps (H,); see `discretise`."""
        return discretise(*self.matrices(), step, method)


def hold(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    learned: bool,
    copies: int | None,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> None:
    """Give a module tensors, as parameters or buffers, repeated for each feature if asked for."""
    for name, value in tensors.items():
        shape = value.shape if copies is None else (copies, *value.shape)
        placed = value.expand(shape).clone().to(device, dtype or torch.get_default_dtype())
        if learned:
            module.register_parameter(name, nn.Parameter(placed))
        else:
            module.register_buffer(name, placed)
