"""Which operations outside the core of a step the kernel computes itself.

What depends on the input alone needs no loop, so torch could compute it for all steps at once;
but its result, often several times the size of the state, would pass through memory twice. The
kernel computes it for a block of steps just before it is used. The same holds for sums over the
state: a matrix of keys and values is much larger than the vector that is read from it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import fx

from ostinato.compiler.fission import Fission, Kind, ancestors, is_size, regroup
from ostinato.compiler.reach import REDUCE
from ostinato.core.state import leaves
from ostinato.engines.fused import ir
from ostinato.engines.fused.layout import LowerError, row_shape
from ostinato.engines.fused.lower import lower, lower_node


def absorb(fission: Fission, dtype: torch.dtype) -> Fission:
    """Move into the core what generated code can express of the input and the output part.

    Args:
        fission: the split step.
        dtype: of the state.
    """
    return _with_sums(_with_inputs(fission, dtype), dtype)


def _with_sums(fission: Fission, dtype: torch.dtype) -> Fission:
    """With those sums of the output part that leave less to be put out than they read."""
    for node in fission.of(Kind.OUTPUT):
        if getattr(node.target, "overloadpacket", None) in REDUCE:
            late = [each for each in ancestors([node]) if fission.kinds[each] is Kind.OUTPUT]
            more = regroup(fission.trace, fission.kinds | dict.fromkeys(late, Kind.CORE))
            if all(_typed(each, dtype) for each in late) and _width(more) < _width(fission):
                fission = more
    return fission


def _width(fission: Fission) -> float:
    """Numbers that a row of one step puts out; infinite where it cannot be generated."""
    try:
        return sum(value.size for value in lower(fission).exports)
    except LowerError:
        return math.inf


def _with_inputs(fission: Fission, dtype: torch.dtype) -> Fission:
    """With the input part, as far as it can be expressed."""
    values: dict[fx.Node, Any] = {}
    outside: set[fx.Node] = set()
    for i, (node, kind) in enumerate(fission.kinds.items()):
        if kind is Kind.CONSTANT and not is_size(node):
            values[node] = ir.leaf("const", i, getattr(node.meta.get("val"), "shape", ()))
        elif kind is Kind.INPUT:
            leaf = _leaf(node, i)
            known = all(
                values.get(each) is not None or is_size(each) for each in node.all_input_nodes
            )
            inside = node.op == "call_function" and known and _typed(node, dtype)
            try:
                values[node] = lower_node(node, values) if inside else leaf
            except LowerError:
                inside, values[node] = False, leaf
            if not inside and node.op == "call_function":
                outside.add(node)
    # An operation that torch computes needs all that leads to it.
    for node in reversed(fission.kinds):
        if node in outside:
            outside.update(node.all_input_nodes)
    kinds = {
        node: Kind.CORE
        if kind is Kind.INPUT and node.op == "call_function" and node not in outside
        else kind
        for node, kind in fission.kinds.items()
    }
    return regroup(fission.trace, kinds)


def _leaf(node: fx.Node, index: int) -> Any:
    """A value that torch computes; None if it is no tensor of rows."""
    if not isinstance(node.meta.get("val"), torch.Tensor):
        return None
    try:
        return ir.leaf("input", index, row_shape(node))
    except LowerError:
        return None


def _typed(node: fx.Node, dtype: torch.dtype) -> bool:
    """Whether an operation stays within the precision of the state, truth values aside."""
    values = [each.meta.get("val") for each in (node, *node.all_input_nodes)]
    kinds = {value.dtype for value in leaves(values) if isinstance(value, torch.Tensor)}
    return kinds <= {dtype, torch.bool}
