"""The derivative of a step in its state, for any cell.

Rows of a batch are independent, so the derivative along k directions is found by one step, in
forward mode, on k copies of every row.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ostinato.core.cell import Cell
from ostinato.core.errors import CellError
from ostinato.core.state import State, map_state
from ostinato.over.time import RNN


def flatten(state: State) -> Tensor:
    """The leaves (B, ...) of a state side by side, (B, S)."""
    return torch.cat([leaf.flatten(1) for leaf in pytree.tree_leaves(state)], 1)


def unflatten(flat: Tensor, like: State) -> State:
    """The inverse of `flatten`: a state with the structure of `like` and the rows of `flat`."""
    given, structure = pytree.tree_flatten(like)
    parts = flat.split([leaf[0].numel() for leaf in given], 1)  # type: ignore[no-untyped-call]
    return pytree.tree_unflatten(
        [part.reshape(len(flat), *leaf.shape[1:]) for part, leaf in zip(parts, given, strict=True)],
        structure,
    )


def push(cell: Cell, x: Any, state: State, directions: Tensor) -> tuple[State, Tensor]:
    """One step, and its derivative along directions of the state.

        moved_k = J direction_k,    J = ∂h_t/∂h_{t−1}

    Args:
        cell: the step; one that knows noise computes its expectation.
        x: input of the step, leaves (B, ...).
        state: the state before it, leaves (B, ...), all real numbers.
        directions: (B, K, S), in the order of `flatten`.

    Returns:
        The new state, and moved (B, K, S).

    Raises:
        CellError: if a leaf of the state is not of real numbers.
    """
    _require_real(cell, state)
    rows, count, size = directions.shape
    x, state = (map_state(lambda leaf: leaf.repeat_interleave(count, 0), t) for t in (x, state))

    def step(flat: Tensor) -> Tensor:
        return flatten(cell(x, unflatten(flat, state))[1])

    given = (flatten(state),), (directions.reshape(-1, size),)
    new, moved = torch.func.jvp(step, *given)  # type: ignore[misc]
    return unflatten(new[::count], state), moved.view(rows, count, size)


def jacobian(cell: Cell, x: Any, state: State) -> tuple[State, Tensor]:
    """One step and J = ∂h_t/∂h_{t−1}, (B, S, S) with the new state along the rows.

    Arguments and errors are those of `push`.
    """
    flat = flatten(state)
    eye = torch.eye(flat.shape[1], dtype=flat.dtype, device=flat.device)
    new, moved = push(cell, x, state, eye.expand(len(flat), -1, -1))
    return new, moved.mT


@torch.no_grad()
def visited(cell: Cell, x: Any) -> State:
    """The states after every step on inputs (B, T, ...), leaves (B·T, ...)."""
    states = RNN(cell).eval()(x, return_states=True)[2]
    return map_state(lambda leaf: leaf.flatten(0, 1), states)


def _require_real(cell: Cell, state: State) -> None:
    kinds = {leaf.dtype for leaf in pytree.tree_leaves(state)}
    if not kinds or any(not kind.is_floating_point for kind in kinds):
        found = ", ".join(sorted(map(str, kinds))) or "no tensors"
        raise CellError(
            f"The state of {type(cell).__name__} has no derivative here: it holds {found}, "
            "expected tensors of real numbers only."
        )
