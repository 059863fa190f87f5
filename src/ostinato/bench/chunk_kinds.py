"""Recurrences of a matrix state that chunks are measured on, and the gate before any timing."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ostinato.core.errors import OstinatoError
from ostinato.engines.chunk.recurrence import recur
from ostinato.engines.chunk.steps import Steps
from ostinato.engines.chunk.stepwise import stepwise

# What rounding in float32 leaves stays ten times below.
_BOUND = 1e-5


class Kind(NamedTuple):
    """A recurrence of the family.

    Attributes:
        updates: n.
        by_key: whether every key has a decay of its own.
        erases: whether something is taken out before writing.
    """

    updates: int
    by_key: bool
    erases: bool


KINDS = {
    "mamba2": Kind(1, False, False),
    "gated-delta-net": Kind(1, False, True),
    "gla": Kind(1, True, False),
    "rwkv7": Kind(2, True, True),
    "gated-delta-product-2": Kind(2, False, True),
    "gated-delta-product-3": Kind(3, False, True),
}


def drawn(kind: Kind, batch: int, steps: int, heads: int, width: int) -> tuple[Steps, Tensor]:
    """Random steps, K = V = width, and a first state of zeros (B, H, K, V)."""
    rows = batch, steps * kind.updates, heads
    q, v = torch.randn(batch, steps, heads, width), torch.randn(*rows, width)
    k = F.normalize(torch.randn(*rows, width), dim=-1)
    g = -0.1 * torch.rand(batch, steps, heads, width if kind.by_key else 1)
    given = Steps(q, k, v, g, k if kind.erases else None, torch.rand(rows))
    return given, torch.zeros(batch, heads, width, width)


def by_steps(given: Steps, state: Tensor) -> tuple[Tensor, Tensor]:
    """What `recur` computes, by the plain loop over single steps."""
    o, last = stepwise(given.by_heads(1.0), state.flatten(0, 1))
    return torch.unflatten(o, 0, state.shape[:2]).transpose(1, 2), last.view_as(state)


def leaves(given: Steps) -> list[Tensor]:
    """What a gradient is wanted of; where k is erased, it is one tensor with k."""
    own = given._replace(erase=None) if given.erase is given.k else given
    return [x.requires_grad_() for x in own if x is not None]


def check(name: str, width: int, size: int) -> None:
    """Hold three chunks, and all gradients, to single steps in float64.

    Args:
        name: of `KINDS`.
        width: K = V.
        size: steps in a chunk.

    Raises:
        OstinatoError: if chunks do not compute what single steps do.
    """
    given, state = drawn(KINDS[name], 1, 3 * size, 2, width)
    wanted = leaves(given)
    exact = by_steps(given.map(Tensor.double), state.double())
    outcomes = []
    for o, last in (recur(given, state, size=size), exact):
        grads = torch.autograd.grad(o.square().sum() + last.square().sum(), wanted)
        outcomes.append((o.detach(), last.detach(), *grads))
    for found, right in zip(*outcomes, strict=True):
        error = float((found - right).norm() / right.norm())
        # Written so that NaN is an error.
        if not error <= _BOUND:
            raise OstinatoError(f"Chunks of {name} are off single steps by {error:.1e}.")
