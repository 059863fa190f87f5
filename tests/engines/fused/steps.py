"""Small steps `(h, x) -> new h`, one or more for every rule of `lower`.

h and x are (B, 6), float64.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import nn

from ostinato.compiler.fission import split
from ostinato.compiler.stages import stages
from ostinato.compiler.trace import trace
from ostinato.core.clip_gradient import clip_gradient
from ostinato.engines.fused.layout import to_rows
from ostinato.engines.fused.lower import lower

from .written_out import WRITTEN_OUT

F = nn.functional
aten = torch.ops.aten
generator = torch.Generator().manual_seed(1)


def drawn(*shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


W, W2, V = drawn(6, 6) / 3, drawn(2, 4), drawn(6)
HEADS, COLUMN, BIAS = drawn(3, 2, 2), drawn(3, 1), drawn(3, 2)


def heads(h):
    return h.view(-1, 3, 2)


def raised(power):
    return lambda h, x: (h * h + 0.5) ** power


def of_carry(function):
    return lambda h, x: function(h)


UNARY = {
    **{
        name: getattr(torch, name)
        for name in (
            "neg", "exp", "expm1", "tanh", "sigmoid", "abs", "sign", "sin", "cos", "erf", "floor",
            "relu", "reciprocal", "square", "softmax", "log_softmax",
        )
        if "softmax" not in name
    },
    **{name: (lambda f: lambda a: f(a * a + 0.1))(getattr(torch, name))
       for name in ("log", "log1p", "sqrt", "rsqrt")},
    **{name: getattr(F, name)
       for name in ("gelu", "silu", "softplus", "mish",
                    "logsigmoid", "softsign")},
    "gelu_tanh": lambda a: F.gelu(a, approximate="tanh"),
    **{f"aten_{name}": (lambda f: lambda a: f(a, 2))(getattr(aten, name).Scalar)
       for name in ("add", "sub", "mul", "div", "rsub")},
    "aten_detach": lambda a: aten.detach(a) * 2,
    "aten_unsafe_view": lambda a: aten._unsafe_view(a, [a.shape[0], 3, 2]).flatten(1) * 2,
    "aten_reshape": lambda a: aten.reshape(a, [a.shape[0], 3, 2]).flatten(1) * 2,
    "aten_squeeze": lambda a: aten.squeeze.dim(a[:, None], 1) * 2,
    "aten_zeros": lambda a: aten.zeros_like(a) + a,
    "aten_ones": lambda a: aten.ones_like(a) + a,
    "clone": lambda a: a.clone() * 2,
    "detach": lambda a: a.detach() * a,
    "clip_gradient": lambda a: clip_gradient(a * 2, 0.3).sin(),
    "clip_nothing": lambda a: clip_gradient(a, float("inf")) * 2,
    "alias": lambda a: aten.alias(a) * 2,
}  # fmt: skip
POINTWISE = {
    "add": lambda h, x: h + x,
    "add_alpha": lambda h, x: torch.add(h, x, alpha=0.3),
    "add_number": lambda h, x: h + 0.25,
    "sub": lambda h, x: h - x,
    "sub_alpha": lambda h, x: torch.sub(x, h, alpha=2),
    "sub_number": lambda h, x: h - 0.25,
    "rsub": lambda h, x: 1 - h,
    "rsub_tensor": lambda h, x: torch.rsub(h, x),
    "mul": lambda h, x: h * x,
    "mul_number": lambda h, x: h * 3,
    "div": lambda h, x: h / (1 + x * x),
    "div_number": lambda h, x: h / 3,
    "number_div": lambda h, x: 3 / (1 + h * h),
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "clamp": lambda h, x: h.clamp(-0.5, 0.7),
    "clamp_min": lambda h, x: h.clamp(min=0.1),
    "clamp_max": lambda h, x: torch.clamp_max(h, 0.1),
    "clamp_crossed": lambda h, x: h.clamp(0.5, -0.5),
    "clamp_tensors": lambda h, x: torch.clamp(h, -x.abs(), V.abs()),
    "clamp_max_tensor": lambda h, x: torch.clamp(h, max=x),
    "clamp_wider": lambda h, x: torch.clamp(h[:, :1], min=V),
    **{f"pow_{p}": raised(p) for p in (0, 1, 2, 3, 0.5, -1, -0.5, 2.5)},
    **{name: (lambda f: lambda h, x: torch.where(f(h, x), h, x * 2))(getattr(torch, name))
       for name in ("lt", "le", "gt", "ge", "eq", "ne")},
    **{f"{name}_number": (lambda f: lambda h, x: torch.where(f(h, 0.1), h, x))(getattr(torch, name))
       for name in ("lt", "le", "gt", "ge", "eq", "ne")},
    "where_numbers": lambda h, x: torch.where(h > x, 1.5, -0.5) * h,
    "logical": lambda h, x: torch.where(
        torch.logical_or(torch.logical_and(h > 0, x > 0), torch.logical_not(h < -1)), h, x
    ),
    "logical_of_reals": lambda h, x: torch.logical_and(F.relu(h), F.relu(x)).double(),
    "bitwise": lambda h, x: torch.where(((h > 0) & (x > 0)) | ~(h < -1), h, x),
    "mask": lambda h, x: (h > 0).double() * x,
    "masked_fill": lambda h, x: h.masked_fill(x > 0, -1.0),
    "count": lambda h, x: h / (h > 0).sum(-1, keepdim=True).clamp(min=1),
    "lerp": lambda h, x: torch.lerp(h, x, 0.3),
    "addcmul": lambda h, x: torch.addcmul(h, h, x, value=0.5),
    "vector": lambda h, x: h * V + V,
    "row": lambda h, x: h * V[None],
    "zero_dim": lambda h, x: h * V[0],
    "heads_and_column": lambda h, x: (heads(h) * COLUMN + BIAS).flatten(1),
    "lead_axis": lambda h, x: (h * BIAS[:, :1, None]).sum(0) * x,
    "zeros_like": lambda h, x: torch.zeros_like(h) + x,
    "ones_like": lambda h, x: h + torch.ones_like(h),
    "full_like": lambda h, x: h * torch.full_like(h, 0.3),
    "clipped_twice": lambda h, x: clip_gradient(h, 0.2) * x + clip_gradient(h, 0.2) * V,
    "same_twice": lambda h, x: h * h + h,
}  # fmt: skip
FILLS = {
    "sum": lambda h, x: h + torch.ones_like(h).sum(-1, keepdim=True),
    "amax": lambda h, x: h + torch.ones_like(h).amax(-1, keepdim=True),
    "cat": lambda h, x: torch.cat([torch.zeros_like(h[:, :2]), h[:, 2:]], -1),
    "matmul": lambda h, x: h + torch.ones_like(h) @ W,
    "heads": lambda h, x: torch.einsum("bki,kij->bkj", heads(h * 0 + 1), HEADS).flatten(1) + (
        torch.einsum("bki,kij->bkj", heads(torch.ones_like(h)), HEADS).flatten(1)
    ),
    "slice": lambda h, x: h * torch.ones_like(h)[:, 1:2],
    "split": lambda h, x: torch.cat(torch.ones_like(h).split([2, 4], -1)[::-1], -1) * h,
    "select": lambda h, x: h + torch.full_like(h, 0.5)[:, 1, None],
    "reshape": lambda h, x: (heads(torch.ones_like(h)) * heads(h)).flatten(1),
    "permute": lambda h, x: heads(torch.ones_like(h)).transpose(1, 2).reshape(-1, 6) * h,
    "expand": lambda h, x: torch.ones_like(h[:, :1]).expand(-1, 6) * h,
    "pow": lambda h, x: torch.full_like(h, 1.5) ** 2 * h,
    "result": lambda h, x: torch.full_like(h, 0.25),
    "times_zero": lambda h, x: (h * 0).sum(-1, keepdim=True) + h,
}  # fmt: skip
PRODUCTS = {
    "mm": lambda h, x: h @ W,
    "mm_transposed": lambda h, x: h @ W.T,
    "linear": lambda h, x: F.linear(h, W, V),
    "low_rank": lambda h, x: (h @ W[:, :2]) @ W[:2],
    "shared": lambda h, x: h @ W + torch.tanh(h @ W) @ W,
    "of_a_slice": lambda h, x: h[:, 2:4] @ W[:2],
    "per_head": lambda h, x: torch.einsum("bki,kij->bkj", heads(h), HEADS).flatten(1),
    "per_head_transposed": lambda h, x: torch.einsum("bki,kji->bkj", heads(h), HEADS).flatten(1),
    "shared_by_heads": lambda h, x: (heads(h) @ W[:2, :2]).flatten(1),
    "other_axis": lambda h, x: (heads(h).mT.contiguous() @ W[:3, :3]).mT.reshape(-1, 6),
    "of_folded_permuted": lambda h, x: (heads(h).mT.reshape(-1, 3) @ W[:3, :3]).view(-1, 6),
    "repeated_row": lambda h, x: h[:, :1].expand(-1, 6) @ W,
    "repeated_head": lambda h, x: (
        h[:, None, :2].expand(-1, 3, 2).contiguous() @ W[:2, :2]
    ).flatten(1),
    "heads_of_permuted": lambda h, x: torch.einsum(
        "bki,kij->bkj", h.view(-1, 2, 3).mT, HEADS
    ).flatten(1),
    "cut_columns": lambda h, x: (heads(h)[..., :1] @ W[:1, :2]).flatten(1),
    "dot": lambda h, x: h + (h @ V)[:, None],
}
REDUCTIONS = {
    "sum": lambda h, x: h + h.sum(-1, keepdim=True),
    "sum_squeezed": lambda h, x: h * h.sum(1)[:, None],
    "sum_first": lambda h, x: (heads(h) - heads(h).sum(1, keepdim=True)).flatten(1),
    "sum_two": lambda h, x: (heads(h) - heads(h).sum((1, 2), keepdim=True)).flatten(1),
    "sum_middle": lambda h, x: h.view(-1, 1, 3, 2).sum((1, 3)).repeat_interleave(2, 1),
    "sum_of_permuted": lambda h, x: (heads(h).mT.sum(-1, keepdim=True) + heads(h).mT).flatten(1),
    "sum_of_repeated": lambda h, x: h + h[:, :1].expand(-1, 6).sum(-1, keepdim=True),
    "amax": lambda h, x: h - h.amax(-1, keepdim=True),
    "amax_first": lambda h, x: (heads(h) - heads(h).amax(1, keepdim=True)).flatten(1),
    "amin": lambda h, x: h - (-h).amax(-1, keepdim=True),
    "mean": lambda h, x: h - h.mean(-1, keepdim=True),
    "var": lambda h, x: h / (0.5 + h.var(-1, keepdim=True)),
    "softmax": lambda h, x: torch.softmax(h, -1),
    "softmax_first": lambda h, x: torch.softmax(heads(h), 1).flatten(1),
    "log_softmax": lambda h, x: torch.log_softmax(h, -1),
    "logsumexp": lambda h, x: h - torch.logsumexp(h, -1, keepdim=True),
    "layer_norm": lambda h, x: F.layer_norm(h, (6,), V, V),
    "group_norm": lambda h, x: F.layer_norm(heads(h), (2,)).flatten(1),
}
REARRANGEMENTS = {
    "slice": lambda h, x: torch.cat([h[:, 4:], h[:, :4]], -1),
    "slice_negative": lambda h, x: torch.cat([h[:, -2:]] * 3, 1) + h.narrow(-1, 1, 1),
    "slice_of_slice": lambda h, x: torch.cat([h[:, 1:5][:, 1:3]] * 3, 1),
    "overlapping": lambda h, x: torch.cat([h[:, :4] + h[:, 1:5] * h[:, 2:], h[:, 3:5]], 1),
    "all_rows": lambda h, x: aten.slice.Tensor(h, 0, 0, 2**63 - 1) * 2,
    "split": lambda h, x: torch.cat([p.tanh() for p in h.split([1, 2, 3], -1)][::-1], -1),
    "chunk": lambda h, x: torch.cat([a * b for a, b in [h.chunk(2, -1)]] * 2, -1),
    "unbind": lambda h, x: torch.stack([p + 1 for p in heads(h).unbind(1)][::-1], 1).flatten(1),
    "select": lambda h, x: h * h[:, -1:] + h[:, 2, None],
    "select_head": lambda h, x: (heads(h) * heads(h)[:, 1, None]).flatten(1),
    "stack": lambda h, x: torch.stack([h, x], -1).sum(-1),
    "cat_axis": lambda h, x: torch.cat([heads(h), heads(x)], 1).view(-1, 2, 6).sum(1),
    "cat_broadcast": lambda h, x: torch.cat([h[:, :1].expand(-1, 3), x[:, :3]], -1),
    "permute": lambda h, x: heads(h).permute(0, 2, 1).reshape(-1, 6),
    "permute_lead": lambda h, x: heads(h).permute(1, 0, 2).tanh().permute(1, 2, 0).flatten(1),
    "transpose": lambda h, x: h.t().exp().t(),
    "movedim": lambda h, x: heads(h).movedim(0, -1).tanh().movedim(-1, 0).flatten(1),
    "expand": lambda h, x: (h[:, None].expand(-1, 2, 6) * W[:2]).sum(1),
    "expand_lead": lambda h, x: (h.expand(2, *h.shape) * W[:2, None]).sum(0),
    "unsqueeze_lead": lambda h, x: (h[None] * W[:2, None]).sum(0),
    "squeeze": lambda h, x: h.unsqueeze(1).mul(2).squeeze(1),
    "squeeze_two": lambda h, x: h[:, None, :, None].mul(2).squeeze((1, 3)),
    "unflatten": lambda h, x: h.unflatten(1, (2, 3)).mT.flatten(1),
    "reshape_permuted": lambda h, x: heads(h).mT.reshape(-1, 6) * h,
}
FOLDED = {
    "pointwise": lambda h, x: (h.view(-1, 2) * V[:2]).view(-1, 6),
    "linear": lambda h, x: F.linear(h.view(-1, 2), W[:2, :2], V[:2]).view(-1, 6),
    "sum": lambda h, x: (h.view(-1, 2) - h.view(-1, 2).sum(-1, keepdim=True)).view(-1, 6),
    "softmax": lambda h, x: torch.softmax(h.view(-1, 3), -1).view(-1, 6),
    "slice": lambda h, x: torch.cat([h.view(-1, 3)[:, 1:], h.view(-1, 3)[:, :1]], 1).view(-1, 6),
    "select": lambda h, x: (h.view(-1, 3) * h.view(-1, 3)[:, 0, None]).view(-1, 6),
    "split": lambda h, x: torch.cat(h.view(-1, 3).split([1, 2], 1)[::-1], 1).view(-1, 6),
    "permute": lambda h, x: h.view(-1, 3, 1).permute(0, 2, 1).tanh().reshape(-1, 6),
    "transpose_inside": lambda h, x: h.view(-1, 3, 1).expand(-1, 3, 2).mT.sum(1).reshape(-1, 6),
    "expand": lambda h, x: h.reshape(-1, 1).expand(-1, 2).sum(1).view(-1, 6),
    "refold": lambda h, x: (h.view(-1, 3).tanh().view(-1, 1).exp() * 2).view(-1, 6),
}
STEPS = {
    f"{group}.{name}": step
    for group, steps in {
        "unary": {k: of_carry(f) for k, f in UNARY.items()},
        "pointwise": POINTWISE,
        "fill": FILLS,
        "product": PRODUCTS,
        "reduction": REDUCTIONS,
        "rearrangement": REARRANGEMENTS,
        "folded": FOLDED,
    }.items()
    for name, step in steps.items()
} | WRITTEN_OUT


@cache
def fissioned(step, size=6, dtype=torch.float64):
    """The step `(h, x) -> new h` on (B, size), split; it puts out what it makes."""
    example = torch.zeros(3, size, dtype=dtype)
    return split(trace(lambda h, x: ((new := step(h, x)), new), example, example.clone()))


@cache
def lowered(step):
    """A step in the language of generated code, and its leaves for given h and x."""
    fission = fissioned(step)
    core, parts = lower(fission), stages(fission)

    def leaves(h, x):
        constants = parts.constants()
        inputs = parts.inputs(len(h), x, *constants)
        rows = [
            to_rows(u.to(h.dtype), node, len(h))
            for u, node in zip(inputs, fission.inputs, strict=True)
        ]
        given = zip(
            (*core.carry, *core.inputs, *core.constants), (h, *rows, *constants), strict=True
        )
        return {leaf: tensor.to(h.dtype) for leaf, tensor in given}

    return core, leaves
