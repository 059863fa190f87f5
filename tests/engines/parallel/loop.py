"""The affine recurrence as a plain loop: what every form of it is compared with."""

from __future__ import annotations

import torch
from torch import Tensor

from ostinato.core.sequence import restart_steps, valid_steps
from ostinato.core.state import select

# By kind: features of a and of b, without time and batch.
SHAPES = {
    "diagonal": ((5,), (5,)),
    "scaled": ((2,), (2, 3)),
    "block": ((4, 2, 2), (4, 2)),
    "dense": ((6, 6), (6,)),
}


def loop(a, b, init=None, *, kind, reverse=False, lengths=None, resets=None) -> Tensor:
    """`affine_scan`, step by step."""
    steps, batch = b.shape[:2]
    full = {"diagonal": b.shape, "scaled": b.shape[:-1]}.get(kind, (*b.shape, b.shape[-1]))
    init = b.new_zeros(b.shape[1:]) if init is None else init
    valid = None if lengths is None else valid_steps(lengths, batch, steps)
    restart = None if resets is None else restart_steps(resets, batch, steps, reverse)
    a, h, out = a.expand(full), init, [None] * steps
    for t in reversed(range(steps)) if reverse else range(steps):
        if restart is not None:
            h = select(restart[t], init, h)
        new = apply(kind, a[t], h) + b[t]
        h = new if valid is None else select(valid[t], new, h)
        out[t] = h
    return torch.stack(out) if steps else b.clone()


def apply(kind, a, h) -> Tensor:
    if kind == "diagonal":
        return a * h
    return a[..., None] * h if kind == "scaled" else (a @ h[..., None])[..., 0]


def random(kind, steps, batch=3, dtype=torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """a, b and init."""
    of_a, of_b = SHAPES[kind]
    a = 0.3 * torch.randn(steps, batch, *of_a, dtype=dtype)
    b = torch.randn(steps, batch, *of_b, dtype=dtype)
    return a, b, torch.randn(batch, *of_b, dtype=dtype)


def masks(which, steps, batch=3) -> dict[str, Tensor]:
    """Some lengths, some resets, or both."""
    found = {}
    if which in ("lengths", "both"):
        found["lengths"] = torch.tensor([steps, steps // 2, max(steps - 1, 0)])[:batch]
    if which in ("resets", "both"):
        found["resets"] = torch.rand(batch, steps) < 0.3
    return found


def assert_near(ours, theirs, bound=1e-12) -> None:
    """Relatively, all of them."""
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        scale = 1 + (float(b.detach().abs().max()) if b.numel() else 0)
        assert not a.numel() or float((a - b).detach().abs().max()) <= bound * scale


def values_and_gradients(function, tensors, seed=0, **options) -> list[Tensor]:
    """What a function of some tensors gives, and the gradients of a loss in all of them."""
    tensors = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    h = function(*tensors, **options)
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(h.shape, generator=generator, dtype=h.real.dtype)
    loss = (h * weights).abs().square().sum()
    grads = torch.autograd.grad(loss, tensors, allow_unused=True)
    pairs = zip(tensors, grads, strict=True)
    return [h, *(torch.zeros_like(t) if g is None else g for t, g in pairs)]
