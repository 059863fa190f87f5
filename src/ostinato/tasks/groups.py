"""Finite groups as multiplication tables, by name: S3, S4, A5, S5, Z60, A4xZ5, …"""

from __future__ import annotations

import re
from functools import reduce
from itertools import permutations, product

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError

_FACTOR = re.compile(r"([SAZ])([1-9]\d*)")
_LARGEST = 5040


def group_table(name: str) -> Tensor:
    """The table (n, n) int64 of a group of order n: `table[a, b]` is a∘b, and 0 is the identity.

    Sn are the permutations of n symbols, An the even ones, Zm the integers under addition modulo
    m; `x` between two names is their direct product. In permutations b is applied first.

    Raises:
        ArgumentError: if the name is none of these, or the order is above 5040.
    """
    return reduce(_direct_product, (_factor(part, name) for part in name.split("x")))


def _factor(part: str, name: str) -> Tensor:
    match = _FACTOR.fullmatch(part)
    if not match or (match[1] != "Z" and int(match[2]) > 7) or int(match[2]) > _LARGEST:
        raise ArgumentError(
            f"There is no group {name!r} here. Expected Sn or An with n up to 7, Zm with m up to "
            f"{_LARGEST}, or products such as 'A4xZ5'."
        )
    kind, size = match[1], int(match[2])
    if kind == "Z":
        numbers = torch.arange(size)
        return (numbers[:, None] + numbers) % size
    elements = [p for p in permutations(range(size)) if kind == "S" or _is_even(p)]
    place = {element: index for index, element in enumerate(elements)}
    composed = (place[tuple(a[i] for i in b)] for a, b in product(elements, repeat=2))
    return torch.tensor(list(composed)).view(len(elements), len(elements))


def _is_even(permutation: tuple[int, ...]) -> bool:
    size = len(permutation)
    pairs = ((i, j) for i in range(size) for j in range(i + 1, size))
    return sum(permutation[i] > permutation[j] for i, j in pairs) % 2 == 0


def _direct_product(left: Tensor, right: Tensor) -> Tensor:
    """The pair (a, b) has the number a·|right| + b."""
    order = len(left) * len(right)
    if order > _LARGEST:
        raise ArgumentError(f"Expected a group of order {_LARGEST} at most, got one of {order}.")
    pairs = left[:, None, :, None] * len(right) + right[None, :, None, :]
    return pairs.reshape(order, order)
