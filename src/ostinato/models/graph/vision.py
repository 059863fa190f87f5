"""What image models share, whatever mixes their tokens: patches, blocks, and a head.

    x_p = W patch_p (+ e_p)
    x ← x + mixer(N(x));   x ← x + MLP(N(x))              L times
    answer = head(read-out of N(x))

Images are (B, X, Y, C), tokens (B, X/p, Y/p, D). Position embeddings e are learned for one grid
and interpolated bicubically for others, as by Dosovitskiy et al. 2021, arXiv 2010.11929.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.core.errors import ArgumentError, ShapeError, nearest


class PatchEmbedding(nn.Module):
    """Images (B, X, Y, C) as tokens (B, X/p, Y/p, D).

    Args:
        channels: C.
        size: D.
        patch: p, pixels of a patch along each side.
        positions: tokens along the sides of the grid that position embeddings are learned for;
            None: no position embeddings.
        device: of the parameters.
        dtype: of the parameters.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        patch: int = 1,
        positions: tuple[int, int] | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.patch = channels, patch
        self.input = nn.Linear(channels * patch**2, size, device=device, dtype=dtype)
        self.positions = None
        if positions is not None:
            table = torch.empty(size, *positions, device=device, dtype=dtype)
            self.positions = nn.Parameter(nn.init.trunc_normal_(table, std=0.02))

    def forward(self, image: Tensor) -> Tensor:
        """(B, X, Y, C) to (B, X/p, Y/p, D)."""
        p = self.patch
        if (
            image.dim() != 4
            or image.shape[3] != self.channels
            or any(side % p for side in image.shape[1:3])
        ):
            raise ShapeError(
                f"An image must be (B, X, Y, {self.channels}) with sides that {p} divides; got "
                f"{list(image.shape)}."
            )
        cut = torch.unflatten(
            torch.unflatten(image, 2, (-1, p)), 1, (-1, p)
        )  # (B, X/p, p, Y/p, p, C)
        tokens: Tensor = self.input(cut.transpose(2, 3).flatten(3))
        if self.positions is None:
            return tokens
        table: Tensor = self.positions
        if table.shape[1:] != tokens.shape[1:3]:
            table = F.interpolate(table[None], tokens.shape[1:3], mode="bicubic")[0]
        return tokens + table.movedim(0, -1)


class TokenBlock(nn.Module):
    """A residual mixer of tokens, and a residual MLP: (B, X, Y, D) to (B, X, Y, D).

    Args:
        size: D.
        mixer: of the tokens.
        norm: makes a normalisation of D features.
        device: of the parameters.
        dtype: of the parameters.
    """

    def __init__(
        self,
        size: int,
        mixer: nn.Module,
        norm: Callable[..., nn.Module],
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        on: dict[str, Any] = {"device": device, "dtype": dtype}
        self.norm, self.mixer = norm(size, **on), mixer
        self.mlp = nn.Sequential(
            norm(size, **on),
            nn.Linear(size, 4 * size, **on),
            nn.GELU(),
            nn.Linear(4 * size, size, **on),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, X, Y, D) to (B, X, Y, D)."""
        x = x + self.mixer(self.norm(x))
        y: Tensor = x + self.mlp(x)
        return y


class VisionModel(nn.Module):
    """Patches, blocks, a norm and a linear head.

    Args:
        embedding: from images to tokens (B, X, Y, D).
        blocks: of tokens.
        norm: of D features.
        classes: how many answers.
        readout: "corners", the four joined, or "mean".

    Raises:
        ArgumentError: if there is no such read-out.
    """

    def __init__(
        self,
        embedding: PatchEmbedding,
        blocks: Iterable[nn.Module],
        norm: nn.Module,
        classes: int,
        readout: str = "corners",
    ) -> None:
        super().__init__()
        if readout not in _READOUTS:
            raise ArgumentError(f"No read-out is called {readout!r}. {nearest(readout, _READOUTS)}")
        weight = embedding.input.weight
        on: dict[str, Any] = {"device": weight.device, "dtype": weight.dtype}
        self.embedding, self.blocks, self.norm = embedding, nn.Sequential(*blocks), norm
        self.readout = readout
        self.head = nn.Linear(_READOUTS[readout][0] * len(weight), classes, **on)

    def forward(self, image: Tensor) -> Tensor:
        """(B, X, Y, C) to (B, classes)."""
        tokens = self.norm(self.blocks(self.embedding(image)))
        answer: Tensor = self.head(_READOUTS[self.readout][1](tokens))
        return answer

    def extra_repr(self) -> str:
        """The read-out, for `print`."""
        return f"readout={self.readout!r}"


def _corners(tokens: Tensor) -> Tensor:
    return tokens[:, [0, 0, -1, -1], [0, -1, 0, -1]].flatten(1)


_READOUTS: dict[str, tuple[int, Callable[[Tensor], Tensor]]] = {
    "corners": (4, _corners),
    "mean": (1, lambda tokens: tokens.mean((1, 2))),
}
