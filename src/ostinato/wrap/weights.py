"""Parametrisations of the weights of any cell, for torch.nn.utils.parametrize.

Each is a module that maps free parameters to a weight, so all of them stack with each other
and with torch's own (orthogonal, spectral_norm, weight_norm), and none knows about cells.
`blocks` says how many matrices stand one below the other in a weight: an LSTM's state product
(4H, H) has four.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrize

from ostinato.core.errors import ArgumentError, ShapeError, nearest

ModuleType = TypeVar("ModuleType", bound=nn.Module)


def parametrise(
    cell: ModuleType, parametrisations: Mapping[str, nn.Module | Sequence[nn.Module]]
) -> ModuleType:
    """Register parametrisations by the dotted names of parameters.

        parametrise(LSTMCell(8, 16), {"recur.weight": [LowRank(4, blocks=4), Mask(mask)]})

    Undone by torch.nn.utils.parametrize.remove_parametrizations.

    Args:
        cell: a cell, or any other module; it is changed and returned.
        parametrisations: for each name one module, or several, applied in their order.

    Raises:
        ArgumentError: if there is no parameter of such a name.
    """
    known = _parameter_names(cell)
    for name in parametrisations:
        if name not in known:
            raise ArgumentError(
                f"{type(cell).__name__} has no parameter {name!r}. {nearest(name, known)}"
            )
    for name, given in parametrisations.items():
        owner, _, tensor = name.rpartition(".")
        _register(cell.get_submodule(owner), tensor, given)
    return cell


def _register(module: nn.Module, tensor: str, given: nn.Module | Sequence[nn.Module]) -> None:
    parts = [given] if isinstance(given, nn.Module) else list(given)
    for part in parts:
        parametrize.register_parametrization(module, tensor, part)


def _parameter_names(cell: nn.Module) -> list[str]:
    """Names under which weights are used: a parametrised one counts, its originals do not."""
    names = []
    for path, module in cell.named_modules():
        if isinstance(module, parametrize.ParametrizationList):
            continue
        own = [name for name, _ in module.named_parameters(recurse=False)]
        if parametrize.is_parametrized(module):
            own += list(module.parametrizations)
        names += [f"{path}.{name}" if path else name for name in own]
    return names


class Mask(nn.Module):
    """Entries of a weight that stay zero: W = M ⊙ V with a fixed M of zeros and ones.

    The mask is a buffer: saved with the cell, and unknown to optimisers. Masked entries of V
    begin at zero and receive no gradient.

    Args:
        mask: true where a connection exists, of the shape of the weight.
    """

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.mask: Tensor
        self.register_buffer("mask", mask.detach().bool().clone())

    @classmethod
    def zero_diagonal(cls, size: int, blocks: int = 1) -> Mask:
        """No unit is connected with itself: (blocks · size, size)."""
        return cls.adjacency(~torch.eye(size, dtype=torch.bool), blocks)

    @classmethod
    def adjacency(cls, edges: Tensor, blocks: int = 1) -> Mask:
        """The connections of a graph, the same in each block.

        Args:
            edges: (H, N), true where row i receives from column j.
            blocks: how many such matrices stand one below the other.
        """
        return cls(edges.repeat(blocks, 1))

    @classmethod
    def random(
        cls, rows: int, columns: int, sparsity: float, generator: Generator | None = None
    ) -> Mask:
        """A mask with exactly round(sparsity · rows · columns) zeros at random places.

        Raises:
            ArgumentError: if `sparsity` is not in [0, 1].
        """
        if not 0 <= sparsity <= 1:
            raise ArgumentError(f"sparsity must lie in [0, 1]; got {sparsity}.")
        total = rows * columns
        order = torch.randperm(total, generator=generator)
        return cls((order >= round(sparsity * total)).view(rows, columns))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight with masked entries zero."""
        if weight.shape != self.mask.shape:
            raise ShapeError(
                f"A mask needs the shape of the weight {list(weight.shape)}; "
                f"got {list(self.mask.shape)}."
            )
        return torch.where(self.mask, weight, 0)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The masked weight, which the mask leaves as it is."""
        return self.forward(weight)


class Trainable(nn.Module):
    """Entries of a weight that are trained, while the others stay: W = M ⊙ V + (1 − M) ⊙ W₀.

    W₀, what the weight is when this is registered or assigned, is a buffer, so that neither
    weight decay nor momentum moves it. Example: of an LSTM's four gates, train all but the output
    gate's recurrent matrix::

        mask = torch.tensor([1, 1, 1, 0]).repeat_interleave(16)[:, None]
        parametrise(LSTMCell(8, 16), {"recur.weight": Trainable(mask)})

    Source: the masks of R and b of Pöppel, Beck & Hochreiter 2025, "FlashRNN", arXiv 2412.07752.

    Args:
        mask: true where an entry is trained; of the shape of the weight, or one that broadcasts
            to it.
    """

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.mask: Tensor
        self.fixed: Tensor
        self.register_buffer("mask", mask.detach().bool().clone())
        self.register_buffer("fixed", torch.empty(0))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight, with what is not trained as it began."""
        return torch.where(self.mask, weight, self.fixed)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The weight itself, which is remembered."""
        axes = zip(reversed(self.mask.shape), reversed(weight.shape), strict=False)
        if self.mask.dim() > weight.dim() or any(m not in (1, n) for m, n in axes):
            raise ShapeError(
                f"A mask needs the shape of the weight {list(weight.shape)}, or one that "
                f"broadcasts to it; got {list(self.mask.shape)}."
            )
        self.fixed = weight.detach().clone()
        return weight


class LowRank(nn.Module):
    """A weight of low rank: W = U Vᵀ; with several blocks each of them has its own factors.

    U (blocks · m, rank) and V (blocks · n, rank) are `original0` and `original1`. A weight that
    is assigned is replaced by the nearest of this rank, from its singular values.

    Args:
        rank: at least 1, at most min(m, n).
        blocks: how many (m, n) matrices stand one below the other.
    """

    def __init__(self, rank: int, blocks: int = 1) -> None:
        super().__init__()
        self.rank, self.blocks = rank, blocks

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """W (blocks · m, n) from U (blocks · m, rank) and V (blocks · n, rank)."""
        return (self._split(left) @ self._split(right).mT).flatten(0, 1)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The factors of the best approximation, which share the singular values equally.

        Raises:
            ArgumentError: if the weight is no stack of `blocks` matrices that can have `rank`.
        """
        rows, columns = weight.shape
        if rows % self.blocks or not 1 <= self.rank <= min(rows // self.blocks, columns):
            raise ArgumentError(
                f"A weight {[rows, columns]} has no {self.blocks} blocks of rank {self.rank}: "
                f"blocks must divide {rows}, and rank lie in 1..min(rows of a block, {columns})."
            )
        u, s, vh = torch.linalg.svd(self._split(weight), full_matrices=False)
        root = s[:, None, : self.rank].sqrt()
        left, right = u[:, :, : self.rank] * root, vh.mT[:, :, : self.rank] * root
        return left.flatten(0, 1), right.flatten(0, 1)

    def extra_repr(self) -> str:
        """The rank, for `print`."""
        return f"rank={self.rank}, blocks={self.blocks}"

    def _split(self, matrix: Tensor) -> Tensor:
        return matrix.reshape(self.blocks, -1, matrix.shape[-1])
