"""Steps `(h, x) -> new h` of operations that are written out in others; h and x are (B, 6)."""

from __future__ import annotations

import torch
from torch import nn

F = nn.functional
generator = torch.Generator().manual_seed(2)


def drawn(*shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


W, W3, SLOPES = drawn(6, 6) / 3, drawn(3, 3), drawn(6).abs()
rms, group = nn.RMSNorm(6).double(), nn.GroupNorm(2, 6).double()
prelu = nn.PReLU(6).double()
for module in (rms, group):
    nn.init.normal_(module.weight)


def square(h):
    return h.view(-1, 3, 2)


def positive(function):
    return lambda h, x: function(h * h + 0.1)


ACTIVATIONS = {
    **{
        name: (lambda f: lambda h, x: f(h))(getattr(F, name))
        for name in (
            "elu", "selu", "celu", "leaky_relu", "hardtanh", "relu6", "hardswish",
            "hardshrink", "softshrink", "tanhshrink",
        )
    },
    **{
        name: (lambda f: lambda h, x: f(h * 3))(getattr(torch, name))
        for name in ("exp2", "ceil", "trunc", "round", "tan", "frac")
    },
    **{name: positive(getattr(torch, name)) for name in ("log2", "log10")},
    "elu_alpha": lambda h, x: F.elu(h, 0.3),
    "prelu": lambda h, x: F.prelu(h, SLOPES),
    "nn_prelu": lambda h, x: prelu(h),
    "softplus_beta": lambda h, x: F.softplus(h * 30, 2, 5),
    "power_of_two": lambda h, x: 2.0**h,
    "isnan": lambda h, x: torch.where(h.isnan() | h.isinf(), 0.0, h),
    "nan_to_num": lambda h, x: h.nan_to_num(0, 1, -1),
    "glu": lambda h, x: F.glu(torch.cat([h, x], -1)),
}  # fmt: skip
NORMS = {
    "rms_norm": lambda h, x: F.rms_norm(h, (6,), eps=1e-6),
    "nn_rms_norm": lambda h, x: rms(h),
    "group_norm": lambda h, x: group(h),
    "std": lambda h, x: h - h.std(-1, keepdim=True),
    "std_biased": lambda h, x: h - h.std(-1, unbiased=False, keepdim=True),
    "var_mean": lambda h, x: h - sum(torch.var_mean(h, -1, keepdim=True)),
    "logsumexp": lambda h, x: h - h.logsumexp(-1, keepdim=True),
    "cosine": lambda h, x: h * F.cosine_similarity(h, x, -1)[:, None],
    "normalize_1": lambda h, x: F.normalize(h, 1, -1),
    "norm_inf": lambda h, x: h / h.norm(torch.inf, -1, keepdim=True),
    "amin": lambda h, x: h - h.amin(-1, keepdim=True),
    "any": lambda h, x: h * (h > 1).any(-1, keepdim=True) + x * (h > 0).all(-1, keepdim=True),
}
MOVES = {
    "roll": lambda h, x: h.roll(1, -1),
    "roll_two": lambda h, x: square(h).roll((1, -1), (1, 2)).flatten(1),
    "repeat": lambda h, x: h[:, :3].repeat(1, 2),
    "repeat_lead": lambda h, x: square(h).repeat(1, 1, 2)[:, :, :2].flatten(1),
    "repeat_interleave": lambda h, x: h[:, :3].repeat_interleave(2, -1),
    "pad": lambda h, x: F.pad(h, (1, 2))[:, :6] + F.pad(h, (2, -2), value=0.5),
    "flip": lambda h, x: h.flip(-1),
    "cumsum": lambda h, x: h.cumsum(-1),
    "every_other": lambda h, x: torch.cat([h[:, ::2], h[:, 1::2]], -1),
    "every_third_column": lambda h, x: square(h)[:, ::3].repeat(1, 3, 1).flatten(1),
}
PRODUCTS = {
    "left": lambda h, x: (W @ h.T).T,
    "left_einsum": lambda h, x: torch.einsum("ij,bj->bi", W, h),
    "left_of_columns": lambda h, x: (W3 @ square(h)).flatten(1),
    "left_of_one_column": lambda h, x: (W @ h[:, :, None])[:, :, 0],
    "outer": lambda h, x: (h[:, :3, None] * x[:, None, :2]).flatten(1),
    "outer_einsum": lambda h, x: torch.einsum("bk,bv->bkv", h[:, :3], x[:, :2]).flatten(1),
    "read": lambda h, x: torch.einsum("bkv,bk->bv", square(h), x[:, :3]).repeat(1, 3),
    "read_sum": lambda h, x: (square(h) * x[:, :3, None]).sum(1).repeat(1, 3),
    "read_rows": lambda h, x: torch.einsum("bkv,bv->bk", square(h), x[:, :2]).repeat(1, 2),
    "read_heads": lambda h, x: torch.einsum(
        "bhkv,bhk->bhv", h.view(-1, 2, 3, 1), x.view(-1, 2, 3)
    ).repeat(1, 1, 3).flatten(1),
    "bmm": lambda h, x: torch.bmm(square(h), x[:, :4].view(-1, 2, 2)).flatten(1),
    "bmm_transposed": lambda h, x: (square(h).mT @ square(x)).flatten(1).repeat(1, 2)[:, :6],
    "baddbmm": lambda h, x: torch.baddbmm(
        square(h), square(x), h[:, :4].view(-1, 2, 2)
    ).flatten(1),
    "gram": lambda h, x: (square(h) @ square(h).mT).flatten(1)[:, :6],
    "linear_attention": lambda h, x: (
        square(h) * 0.9 + x[:, :3, None] * torch.tanh(x)[:, None, 3:5]
    ).flatten(1),
}  # fmt: skip
IN_PLACE = {
    "on_a_result": lambda h, x: (h + x).mul_(0.5).tanh_(),
    "broadcast": lambda h, x: (h * x).add_(h[:, :1]),
    "in_turn": lambda h, x: (h - x).add_(x, alpha=2).mul_(x).add_(h, alpha=0.5),
}
WRITTEN_OUT = {
    f"{group}.{name}": step
    for group, steps in {
        "activation": ACTIVATIONS,
        "norm": NORMS,
        "move": MOVES,
        "two": PRODUCTS,
        "in_place": IN_PLACE,
    }.items()
    for name, step in steps.items()
}
