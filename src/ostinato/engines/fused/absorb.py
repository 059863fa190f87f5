"""Which operations on the input of a step the kernel computes itself.

What depends on the input alone needs no loop, so torch could compute it for all steps at once;
but its result, often several times the size of the state, would pass through memory twice. The
kernel computes it for a block of steps just before it is used.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from ostinato.compiler.fission import Fission, Kind, is_size, regroup
from ostinato.core.state import leaves
from ostinato.engines.fused import ir
from ostinato.engines.fused.layout import LowerError, row_shape
from ostinato.engines.fused.lower import lower_node


def absorb(fission: Fission, dtype: torch.dtype) -> Fission:
    """Move into the core what generated code can express of the input part.

    Args:
        fission: the split step.
        dtype: of the state.
    """
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
