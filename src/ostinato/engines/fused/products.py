"""Products of many rows with a matrix, by the same kernel as in the loop.

The input part of a step is one such product over all steps; measured, the kernel is faster
there than the library behind torch on some machines and equal on others.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx

from ostinato.engines.fused.routines import REALS, pack, routines
from ostinato.engines.fused.threads import in_threads

# Below this many multiplications the call itself costs more than it saves.
_WORTHWHILE = 2**22
# A slab of rows stays in the cache while all panels of the matrix pass by.
_SLAB = 128
aten = torch.ops.aten


def use_own_products(stage: fx.GraphModule) -> None:
    """Replace torch's products in a stage."""
    for node in stage.graph.nodes:
        if node.target in (aten.mm.default, aten.addmm.default):
            node.target = addmm if node.target == aten.addmm.default else mm
    stage.recompile()


def mm(x: Tensor, matrix: Tensor) -> Tensor:
    """x (rows, k) times matrix (k, n)."""
    return Product.apply(x, matrix, None) if _fits(x, matrix) else x @ matrix  # type: ignore


def addmm(bias: Tensor, x: Tensor, matrix: Tensor) -> Tensor:
    """x (rows, k) times matrix (k, n), plus bias (n,)."""
    if bias.dim() == 1 and _fits(x, matrix):
        return Product.apply(x, matrix, bias)  # type: ignore
    return torch.addmm(bias, x, matrix)


def _fits(x: Tensor, matrix: Tensor) -> bool:
    size = x.shape[0] * matrix.numel()
    return size > _WORTHWHILE and x.dtype in REALS and x.dtype == matrix.dtype


class Product(torch.autograd.Function):
    """x · matrix + bias; its gradient is differentiable again."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: Tensor, bias: Tensor | None) -> Tensor:
        """Multiply."""
        ctx.save_for_backward(x, matrix)
        ctx.biased = bias is not None
        return _multiply(x, matrix, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """The gradients that are needed."""
        (grad,), (x, matrix) = grads, ctx.saved_tensors
        needs = ctx.needs_input_grad
        return (
            mm(grad, matrix.mT) if needs[0] else None,
            x.mT @ grad if needs[1] else None,
            grad.sum(0) if ctx.biased and needs[2] else None,
        )


def _multiply(x: Tensor, matrix: Tensor, bias: Tensor | None) -> Tensor:
    x = x if x.stride(1) == 1 else x.contiguous()
    panels, (k, n) = pack(matrix), matrix.shape
    y = x.new_empty(x.shape[0], n)
    start = None if bias is None else bias.contiguous()
    function, size = routines(x.dtype).matmul, x.element_size()

    def part(_: int, begin: int, end: int) -> None:
        for first in range(begin, end, _SLAB):
            rows = min(_SLAB, end - first)
            entering = x.data_ptr() + first * x.stride(0) * size
            leaving = y.data_ptr() + first * n * size
            add = None if start is None else start.data_ptr()
            function(rows, k, n, entering, x.stride(0), panels.data_ptr(), leaving, n, add, 0)

    in_threads(x.shape[0], 64, part)
    return y
