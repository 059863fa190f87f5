"""Rates of a wrapper: one for the whole state, or a tree of rates like the state."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree

from ostinato.core.errors import ArgumentError
from ostinato.core.state import State, describe, map_state


def check_rate(rate: Any, what: str, below_one: bool = False) -> None:
    """Raise unless a rate is a number from 0 to 1.

    Args:
        rate: what was given.
        what: its name in the message.
        below_one: whether 1 itself is excluded.

    Raises:
        ArgumentError: naming the interval and the value.
    """
    interval = "[0, 1)" if below_one else "[0, 1]"
    if not isinstance(rate, int | float) or not 0 <= rate <= 1 or (below_one and rate == 1):
        raise ArgumentError(f"{what} must be a number in {interval}; got {rate!r}.")


def state_rates(rate: Any, state: State, what: str, below_one: bool = False) -> State:
    """One checked rate for each leaf of a state; 0 for leaves that are not floating point.

    Args:
        rate: one number for all leaves, or a tree of numbers in the structure of the state.
        state: a state of the cell inside.
        what: the name of the rate in messages.
        below_one: whether 1 itself is excluded.

    Raises:
        ArgumentError: if a rate is out of range, or the tree is not like the state.
    """
    rates = spread(rate, state, what)
    map_state(lambda r: check_rate(r, what, below_one), rates)
    return map_state(lambda leaf, r: r if is_continuous(leaf) else 0.0, state, rates)


def spread(rate: Any, state: State, what: str) -> State:
    """A tree of rates like the state: the given one, or a single rate at every leaf.

    Raises:
        ArgumentError: if a tree is given that is not like the state.
    """
    if isinstance(rate, int | float | Tensor):
        return map_state(lambda leaf: rate, state)
    if pytree.tree_structure(rate) != pytree.tree_structure(state):
        raise ArgumentError(
            f"{what} must be one number, or a tree of numbers like the state "
            f"{describe(state)}; got {rate!r}."
        )
    return rate


def is_continuous(leaf: Tensor) -> bool:
    """Whether a leaf can be interpolated and scaled: floating point or complex, not a counter."""
    return leaf.is_floating_point() or leaf.is_complex()
