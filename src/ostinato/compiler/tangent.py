"""The derivative of a core along one direction of its carry, as a graph.

torch's forward mode is run once, where operations are written down; what it does at every call
costs ten times as much as the operations themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, fx
from torch.autograd import forward_ad

from ostinato.compiler.record import record
from ostinato.compiler.stages import VIEWS

aten = torch.ops.aten

_SAME = (aten.alias.default, aten.expand.default, aten._to_copy.default)


def tangent(
    core: fx.GraphModule, carry: Sequence[Tensor], fed: Sequence[Tensor], fixed: Sequence[Tensor]
) -> fx.GraphModule:
    """Record (carry…, direction…, fed…, fixed…) -> (new carry…, its derivative…).

    Args:
        core: `Stages.core`.
        carry: an example, leaves (rows, ...).
        fed: an example of the values of `Fission.inputs`.
        fixed: an example of the values of `Fission.constants`.
    """
    count = len(carry)

    def push(*given: Tensor) -> list[Tensor]:
        h, v = given[:count], given[count : 2 * count]
        # Of the derivative of a product with a tensor without axes torch makes an operation of
        # its own, which takes such tensors on the CPU only.
        rest = [each if each.dim() else each.reshape(1) for each in given[2 * count :]]
        with forward_ad.dual_level():
            duals = map(forward_ad.make_dual, h, v)
            new = core(h[0].shape[0], *duals, *rest)[:count]
            pairs = [forward_ad.unpack_dual(each) for each in new]  # type: ignore[no-untyped-call]
        zeros = [torch.zeros_like(p.primal) if p.tangent is None else p.tangent for p in pairs]
        return [*(p.primal for p in pairs), *zeros]

    # Products of heads have rows and heads on one axis.
    folded = [len(each) // len(carry[0]) for each in fed]
    module = record(push, [*carry, *carry, *fed], fixed, folded)
    _tidy(module.graph)
    module.recompile()
    return module


def _tidy(graph: fx.Graph) -> None:
    """Leave out what forward mode does for autograd's sake: operations that change nothing."""
    for node in graph.nodes:
        if node.target in VIEWS:
            # Along many directions at once tensors lie in another order than when recorded.
            node.target = aten.reshape.default
        if node.target in _SAME and _like(node.meta["val"], node.args[0].meta["val"]):
            node.replace_all_uses_with(node.args[0])
    graph.eliminate_dead_code()


def _like(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.device == b.device
