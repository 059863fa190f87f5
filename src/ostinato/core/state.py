"""State trees: any nesting of tuples, lists, dicts and named tuples with tensors as leaves.

Every leaf of a state is batch-first, (B, ...). A tree is compared, mapped and stacked as a
whole, so that no engine needs to know how a cell arranges its state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ostinato.core.errors import ShapeError

State = Any
"""A tree of tensors; each leaf (B, ...)."""


def leaves(tree: State) -> list[Tensor]:
    """The tensors of a tree, in a fixed order."""
    if isinstance(tree, Tensor):
        return [tree]
    return [leaf for leaf in pytree.tree_leaves(tree) if leaf is not None]


def map_state(function: Callable[..., Any], tree: State, *others: State) -> State:
    """Apply `function` to corresponding leaves of trees of one structure; None stays None."""
    if isinstance(tree, Tensor):
        return function(tree, *others)
    return pytree.tree_map(
        lambda leaf, *rest: None if leaf is None else function(leaf, *rest), tree, *others
    )


def zeros(tree: State) -> State:
    """A tree of zeros like `tree`."""
    return map_state(torch.zeros_like, tree)


def detach(tree: State) -> State:
    """The same values, cut from the graph: the border of truncated backpropagation."""
    return map_state(Tensor.detach, tree)


def select(condition: Tensor, yes: State, no: State) -> State:
    """Choose row by row between two trees.

    Args:
        condition: (B,) bool.
        yes: leaves (B, ...), taken where the condition holds.
        no: leaves (B, ...), taken elsewhere.
    """
    return map_state(lambda a, b: torch.where(rows_like(condition, a), a, b), yes, no)


def rows_like(rows: Tensor, leaf: Tensor) -> Tensor:
    """View `rows` with trailing axes of size 1 so that it broadcasts over `leaf`."""
    return rows.reshape(rows.shape + (1,) * (leaf.dim() - rows.dim()))


def stack(trees: Sequence[State], dim: int = 0) -> State:
    """Stack corresponding leaves of several trees along a new axis."""
    return map_state(lambda *parts: torch.stack(parts, dim), trees[0], *trees[1:])


def index(tree: State, position: Any) -> State:
    """`leaf[position]` of every leaf."""
    return map_state(lambda leaf: leaf[position], tree)


def split(tree: State, size: int = 1) -> list[State]:
    """Cut every leaf along its first axis into parts of `size` (the last may be shorter)."""
    return _transpose(tree, lambda leaf: leaf.split(size))  # type: ignore[no-untyped-call]


def unbind(tree: State) -> list[State]:
    """The slices of every leaf along its first axis.

    Their gradient is one stack, where indexing leaf by leaf would add up T whole tensors.
    """
    return _transpose(tree, Tensor.unbind)


def _transpose(tree: State, cut: Callable[[Tensor], Sequence[Tensor]]) -> list[State]:
    flat, structure = pytree.tree_flatten(tree)
    parts = [repeat(None) if leaf is None else cut(leaf) for leaf in flat]
    return [pytree.tree_unflatten(list(row), structure) for row in zip(*parts, strict=False)]


def move_axis(tree: State, source: int, target: int) -> State:
    """Move one axis of every leaf."""
    if source == target:
        return tree
    return map_state(lambda leaf: leaf.movedim(source, target), tree)


def describe(tree: State) -> str:
    """The structure with shapes and dtypes, for error messages."""
    return str(pytree.tree_map(_describe_leaf, tree)).replace("'", "")


def check_like(found: State, expected: State, what: str, action: str) -> None:
    """Raise unless two trees agree in structure, shapes and dtypes.

    Args:
        found: the tree that came.
        expected: a tree as it should be.
        what: the subject of the message, e.g. "The initial state".
        action: what the caller can do, as a sentence.

    Raises:
        ShapeError: naming both trees.
    """
    same = pytree.tree_structure(found) == pytree.tree_structure(expected) and all(
        _signature(a) == _signature(b)
        for a, b in zip(pytree.tree_leaves(found), pytree.tree_leaves(expected), strict=True)
    )
    if not same:
        message = f"{what} is {describe(found)}, expected {describe(expected)}. {action}"
        raise ShapeError(message)


def _signature(leaf: Any) -> Any:
    return (tuple(leaf.shape), leaf.dtype) if isinstance(leaf, Tensor) else type(leaf)


def _describe_leaf(leaf: Any) -> str:
    if not isinstance(leaf, Tensor):
        return type(leaf).__name__
    return f"{str(leaf.dtype).removeprefix('torch.')}{list(leaf.shape)}"
