"""What one step of the loop costs: operations on numbers, and bytes that are moved."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from ostinato.compiler.fission import Fission, Kind, is_size
from ostinato.compiler.reach import ARRANGE, FRESH, PRODUCT, REDUCE, shape_for
from ostinato.core.clip_gradient import OPERATION

aten = torch.ops.aten

_FREE = ARRANGE | FRESH | {
    aten.clone, aten.alias, aten.detach, aten._to_copy, aten.lift_fresh_copy, OPERATION,
}  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """One step of a core, for one row of the batch.

    Attributes:
        products: FLOPs in products of matrices, two for each multiplication.
        pointwise: FLOPs elsewhere, one for each element of a result, or of what is reduced.
        state: bytes of the carry, read and written.
        inputs: bytes read of what was computed before the loop.
        weights: bytes of constants; read once for all rows.
    """

    products: int
    pointwise: int
    state: int
    inputs: int
    weights: int


def cost(fission: Fission) -> Cost:
    """Count what a core does, off its graph."""
    core = [node for node in fission.of(Kind.CORE) if not is_size(node)]
    return Cost(
        products=sum(map(_multiplied, core)),
        pointwise=sum(map(_elsewhere, core)),
        state=_bytes([*fission.trace.carry, *fission.trace.new_carry]),
        inputs=_bytes(_read(fission, fission.inputs)),
        weights=_bytes(_read(fission, fission.constants)),
    )


def _multiplied(node: fx.Node) -> int:
    if getattr(node.target, "overloadpacket", None) not in PRODUCT:
        return 0
    left = node.args[-2]
    assert isinstance(left, fx.Node)
    return 2 * _elements(node) * shape_for(left.meta["val"], 1)[-1]


def _elsewhere(node: fx.Node) -> int:
    packet = getattr(node.target, "overloadpacket", None)
    if packet in _FREE or node.target is operator.getitem:
        return 0
    if packet in PRODUCT:
        # What addmm adds.
        return _elements(node) if len(node.args) > 2 else 0
    return _elements(node.all_input_nodes[0]) if packet in REDUCE else _elements(node)


def _read(fission: Fission, given: Iterable[fx.Node]) -> list[fx.Node]:
    """Those values that the core reads, or that become the carry."""
    return [
        node
        for node in given
        if node in fission.trace.new_carry
        or any(fission.kinds.get(user) is Kind.CORE and not is_size(user) for user in node.users)
    ]


def _elements(node: fx.Node) -> int:
    return sum(math.prod(shape_for(each, 1)) for each in _tensors(node))


def _bytes(nodes: Iterable[fx.Node]) -> int:
    return sum(
        math.prod(shape_for(each, 1)) * each.element_size()
        for node in nodes
        for each in _tensors(node)
    )


def _tensors(node: fx.Node) -> list[Tensor]:
    return [each for each in pytree.tree_leaves(node.meta["val"]) if isinstance(each, Tensor)]
