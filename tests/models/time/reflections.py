"""Groups as products of reflections: for each element, in the task's order, the keys in a row."""

from __future__ import annotations

import math
from itertools import permutations, product

import torch
from torch.nn import functional as F

from ostinato.tasks.groups import group_table

F64 = torch.float64


def swaps(count):
    """Permutations of `count` things as at most count − 1 swaps: a swap reflects, e_i − e_j."""
    places, found = torch.eye(count, dtype=F64), []
    for order in permutations(range(count)):
        left, keys = list(order), []
        for i in range(count):
            while (j := left[i]) != i:
                left[i], left[j] = left[j], left[i]
                keys.append((places[i] - places[j]) / 2**0.5)
        found.append(keys)
    return found


def turns(group, axis):
    """The rotations of a solid as two reflections, whose keys have half the angle between them.

    The group is that of a half turn a about the axis and a third of one, b, that shifts the
    coordinates: with a² = b³ = (ab)^m = 1 it is S3, A4, S4 or A5 for m = 2 … 5.
    """
    table, axis = group_table(group), F.normalize(torch.tensor(axis, dtype=F64), dim=0)
    half, third = 2 * axis.outer(axis) - torch.eye(3, dtype=F64), torch.eye(3, dtype=F64).roll(1, 0)
    m = next(m for m in range(1, 6) if _close_to_identity(half @ third, m))
    orders = [_order_of(table, element) for element in range(len(table))]
    a, b = next(
        (a, b)
        for a, b in product(range(len(table)), repeat=2)
        if (orders[a], orders[b], orders[table[a, b]]) == (2, 3, m)
    )
    found, left = {0: torch.eye(3, dtype=F64)}, [0]
    while left:
        element = left.pop()
        for generator, turn in ((a, half), (b, third)):
            made = int(table[generator, element])
            if made not in found:
                found[made] = turn @ found[element]
                left.append(made)
    return [_mirrors(found[element]) for element in range(len(table))]


def circle(count):
    """Turns of a plane by multiples of 360° / count as two reflections."""
    angles = math.pi * torch.arange(count, dtype=F64) / count
    last = torch.stack([angles.cos(), angles.sin()], 1)
    return [[torch.tensor([1.0, 0.0], dtype=F64), key] for key in last]


def _order_of(table, element):
    made, order = element, 1
    while made:
        made, order = int(table[element, made]), order + 1
    return order


def _close_to_identity(turn, power):
    return bool((torch.linalg.matrix_power(turn, power) - torch.eye(3)).abs().max() < 1e-9)


def _mirrors(turn):
    """Two keys whose reflections, one after the other, are a rotation."""
    axis = torch.linalg.svd(turn - torch.eye(3))[2][-1]
    first = torch.linalg.svd(axis[None])[2][-1]
    middle = first + turn @ first
    if middle.norm() < 1e-6:  # a half turn
        middle = torch.linalg.cross(axis, first)
    return [first, middle / middle.norm()]
