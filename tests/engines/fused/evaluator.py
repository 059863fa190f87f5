"""The language of `ir` in torch operations: what generated code has to compute.

Every value is a tensor (B, *shape), or (1, *shape) where it is the same for all rows.
"""

from __future__ import annotations

import torch

from ostinato.core.clip_gradient import clip_gradient
from ostinato.engines.fused import ir

_FUNCTIONS = {
    **{name: getattr(torch, name) for name in ir.UNARY - {"not"}},
    **{name: getattr(torch, name) for name in ("add", "sub", "mul", "div", "pow")},
    **{name: getattr(torch, name) for name in ("maximum", "minimum")},
    **{name: getattr(torch, name) for name in ("lt", "le", "gt", "ge", "eq", "ne")},
    "not": torch.logical_not,
    "and": torch.logical_and,
    "or": torch.logical_or,
    "where": lambda condition, a, b: torch.where(condition != 0, a, b),
}
_ROWLESS = ("const", "number")


def evaluate(roots, leaves, rows):
    """The values of `roots`, each (rows, *shape).

    Args:
        roots: values of the language.
        leaves: tensors by leaf: (rows, *shape), or the plain shape of a constant.
        rows: B.
    """
    dtype = next(iter(leaves.values())).dtype
    known = {v: t[None] if v.op in _ROWLESS else t for v, t in leaves.items()}
    for value in ir.reachable(roots, frozenset(known)):
        if value.op == "number":
            known[value] = torch.tensor([value.attrs], dtype=dtype)
        elif value not in known:
            found = _compute(value, [known[arg] for arg in value.args])
            known[value] = found.to(dtype)
            assert tuple(found.shape[1:]) == value.shape, f"{value} gives {list(found.shape)}"
    return [known[root].expand(rows, *root.shape) for root in roots]


def _compute(value, args):
    if value.op in ir.POINTWISE:
        found = _FUNCTIONS[value.op](*(_aligned(arg, len(value.shape)) for arg in args))
        return found.expand(-1, *value.shape)
    if value.op == "matmul":
        x, matrix = args[0], args[1][0]
        matrix = matrix.mT if value.attrs else matrix
        heads = matrix.dim() == 3
        product = torch.einsum("bhk,hkn->bhn", x, matrix) if heads else x @ matrix
        return product + sum(args[2:])
    if value.op == "slice":
        axis, start = value.attrs
        return args[0].narrow(axis + 1, start, value.shape[axis])
    if value.op == "concat":
        rows = max(len(arg) for arg in args)
        return torch.cat([arg.expand(rows, *arg.shape[1:]) for arg in args], value.attrs + 1)
    if value.op == "permute":
        return args[0].permute(0, *(axis + 1 for axis in value.attrs))
    if value.op == "reshape":
        return _passed(args[0], value.attrs).reshape(len(args[0]), *value.shape)
    if value.op == "expand":
        return _aligned(args[0], len(value.shape)).expand(-1, *value.shape)
    reduce = {"sum": torch.sum, "max": torch.amax}[value.op]
    return reduce(args[0], [axis + 1 for axis in value.attrs], keepdim=True)


def _passed(x, limit):
    """Elements that pass only part of their gradient on."""
    if limit is None:
        return x
    return clip_gradient(x, limit[0]) if limit[0] else x.detach()


def _aligned(x, rank):
    """Axes of size one between the rows and the rest, so that the last axes meet."""
    return x.reshape(len(x), *(1,) * (rank - x.dim() + 1), *x.shape[1:])
