"""Whole numbers under constraints: all combinations that satisfy them, or what leaves none.

A constraint is looked at as soon as all its variables have a value, so that what breaks it is not
continued. FlashRNN (Pöppel et al. 2025, arXiv:2412.07752) finds its tiles in such a way.
Deviation: domains are lists of a few numbers, so that no bounds, divisors or prime factors have
to be propagated, and all solutions are returned, each once, for an estimate to order them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Solution = dict[str, int]


class UnsatisfiableError(Exception):
    """No combination satisfies the constraints; the message says which one left none."""


@dataclass(frozen=True)
class Constraint:
    """A condition on some variables.

    Attributes:
        demand: what it asks for, in words.
        variables: their names.
        holds: whether values, in the order of `variables`, satisfy it.
    """

    demand: str
    variables: tuple[str, ...]
    holds: Callable[..., bool]


def solutions(
    domains: Mapping[str, Sequence[int]], constraints: Sequence[Constraint]
) -> list[Solution]:
    """All combinations of values, in the order of the domains, the last one changing fastest.

        solutions({"a": (1, 2, 4), "b": (1, 2, 4)}, [Constraint("a·b = 4", ("a", "b"), is_four)])

    Args:
        domains: the values that each variable may take.
        constraints: what they have to satisfy.

    Raises:
        UnsatisfiableError: if there is none.
    """
    found: list[Solution] = [{}]
    for variable, domain in domains.items():
        found = [{**begun, variable: value} for begun in found for value in domain]
        bound = found[0].keys() if found else {variable}
        for constraint in constraints:
            if variable in constraint.variables and bound >= set(constraint.variables):
                found = [each for each in found if _holds(constraint, each)]
                if not found:
                    raise UnsatisfiableError(constraint.demand)
    return found


def _holds(constraint: Constraint, given: Solution) -> bool:
    return constraint.holds(*(given[name] for name in constraint.variables))
