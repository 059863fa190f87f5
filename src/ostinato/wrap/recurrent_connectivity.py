"""Recurrent matrices of low rank and sparse, for any cell.

    U = (W₁ W₂) ⊙ M,    W₁ (H, r), W₂ (r, H), M fixed with a share s of zeros

for each of the matrices from state to state: one in an Elman cell, four in an LSTM or a CfC. They
are initialised so that the spectral radius falls with s and with lower r: with v the mean square
of the entries that M leaves, it is about √((1 − s) H v), and v = r/H² where the r singular values
are 1, r (2/(H + r))² for Glorot factors.

Source: Tumma, Lechner, Loo, Hasani & Rus 2024, "Leveraging low-rank and sparse recurrent
connectivity for robust closed-loop control", ICLR, arXiv 2310.03915.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrize

from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError, nearest
from ostinato.wrap.weights import LowRank, Mask, parametrise

__papers__ = ("sparse-lowrank-cfc",)


class RecurrentMap(NamedTuple):
    """A linear map of a cell that multiplies its state.

    Attributes:
        name: of its weight, within the cell.
        linear: the module.
        blocks: how many (H, H) matrices stand one below the other in the weight.
    """

    name: str
    linear: nn.Linear
    blocks: int


def recurrent_maps(cell: nn.Module) -> Iterator[RecurrentMap]:
    """The linear maps of a cell whose name begins with "recur", as all cells here call them.

    A weight (k·H, H) counts as k matrices, else as one.
    """
    for path, module in cell.named_modules():
        if isinstance(module, nn.Linear) and path.rpartition(".")[2].startswith("recur"):
            rows, columns = module.out_features, module.in_features
            blocks = rows // columns if rows % columns == 0 else 1
            yield RecurrentMap(f"{path}.weight", module, blocks)


@torch.no_grad()
def restrict_recurrence(
    cell: Cell,
    *,
    rank: int | None = None,
    sparsity: float = 0.0,
    init: str = "orthogonal",
    radius: float | None = None,
    generator: Generator | None = None,
) -> Cell:
    """Draw the recurrent matrices of a cell anew, of a rank and a sparsity that training keeps.

        cell = restrict_recurrence(CfCCell(8, 64), rank=4, sparsity=0.5)

    Args:
        cell: any cell with recurrent maps; it is changed and returned.
        rank: r, of every matrix; None: no factors.
        sparsity: s; exactly round(s · n) of the n entries of a weight are zero.
        init: "orthogonal": all singular values of a matrix are 1, as many as r; or "glorot": both
            factors, or the matrix, from U(±√(6/(rows + columns))).
        radius: the spectral radius that every matrix is scaled to; None: what it turns out to be.
        generator: source of the matrices and masks; None: torch's own.

    Raises:
        ArgumentError: if the cell has no such map, or an option is out of range.
    """
    if init not in _INITS:
        raise ArgumentError(f"There is no init {init!r}. {nearest(init, _INITS)}")
    found = list(recurrent_maps(cell))
    if not found:
        raise ArgumentError(
            f"{type(cell).__name__} has no linear map of its state: expected an nn.Linear whose "
            "name begins with 'recur'. Parametrise its weights by name: wrap.weights.parametrise."
        )
    for each in found:
        weight = each.linear.weight
        parts: list[nn.Module] = [] if rank is None else [LowRank(rank, each.blocks)]
        if sparsity:
            rows, columns = weight.shape
            parts.append(Mask.random(rows, columns, sparsity, generator).to(weight.device))
        factors = _INITS[init](weight, each.blocks, rank, generator)
        nn.init.zeros_(weight)
        if parts:
            parametrise(cell, {each.name: parts})
        for free, drawn in zip(_free(each.linear), factors, strict=True):
            free.copy_(drawn)
        if radius is not None:
            _scale(each, radius)
    return cell


def _free(linear: nn.Linear) -> list[Tensor]:
    """What is learned of the weight: itself, or its factors."""
    if not parametrize.is_parametrized(linear, "weight"):
        return [linear.weight]
    return list(linear.get_submodule("parametrizations.weight").parameters())


def _orthogonal(
    weight: Tensor, blocks: int, rank: int | None, generator: Generator | None
) -> list[Tensor]:
    # Two independent factors: the singular vectors of one orthogonal matrix are not unique, and
    # those that are computed would leave H − r columns of zeros.
    def draw(rows: int, columns: int) -> Tensor:
        parts = [weight.new_empty(rows, columns) for _ in range(blocks)]
        return torch.cat([nn.init.orthogonal_(part, generator=generator) for part in parts])

    return [draw(*shape) for shape in _shapes(weight, blocks, rank)]


def _glorot(
    weight: Tensor, blocks: int, rank: int | None, generator: Generator | None
) -> list[Tensor]:
    def draw(rows: int, columns: int) -> Tensor:
        bound = (6 / (rows + columns)) ** 0.5
        empty = weight.new_empty(blocks * rows, columns)
        return empty.uniform_(-bound, bound, generator=generator)

    return [draw(*shape) for shape in _shapes(weight, blocks, rank)]


def _shapes(weight: Tensor, blocks: int, rank: int | None) -> list[tuple[int, int]]:
    """Of what is learned of one matrix: the matrix, or its two factors."""
    rows, columns = weight.shape[0] // blocks, weight.shape[1]
    return [(rows, columns)] if rank is None else [(rows, rank), (columns, rank)]


_INITS: dict[str, Callable[[Tensor, int, int | None, Generator | None], list[Tensor]]] = {
    "orthogonal": _orthogonal,
    "glorot": _glorot,
}


def _scale(found: RecurrentMap, radius: float) -> None:
    """Bring every (H, H) matrix to a spectral radius by its first factor."""
    matrices = torch.stack(found.linear.weight.chunk(found.blocks))
    radii = torch.linalg.eigvals(matrices).abs().amax(-1)
    for part, found_radius in zip(_free(found.linear)[0].chunk(found.blocks), radii, strict=True):
        part.mul_(radius / found_radius)
