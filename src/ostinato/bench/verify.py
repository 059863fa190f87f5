"""The gate: a ratio is worth printing only if both sides compute the same."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ostinato.bench.cases import Contest
from ostinato.bench.peers import corresponding
from ostinato.core.errors import OstinatoError

OUTPUT_BOUND = 1e-5
GRADIENT_BOUND = 3e-5
"""Relative to the norm, in float32; rounding alone stays ten times below on these sizes."""


def disagreement(contest: Contest) -> str | None:
    """What the two sides disagree in, or None: outputs in both modes, and all gradients.

    A side that cannot run is a disagreement too.
    """
    try:
        for name, ours, peer, bound in _compared(contest):
            error = _relative_error(ours, peer)
            # Written so that NaN is a disagreement.
            if not error <= bound:
                return f"{name} differ by {error:.1e}, more than {bound:.0e}"
    except OstinatoError as error:
        return str(error)
    return None


def _compared(contest: Contest) -> Iterator[tuple[str, Tensor, Tensor, float]]:
    ours, peer, x = contest.ours, contest.peer, contest.x
    with torch.no_grad():
        yield "outputs without gradient", ours.eval()(x)[0], peer.eval()(x)[0], OUTPUT_BOUND
    ys = ours.train()(x)[0], peer.train()(x)[0]
    yield "outputs", *ys, OUTPUT_BOUND
    names = ["x", *(name for name, _ in ours.cell.named_parameters())]
    gradients = [
        torch.autograd.grad(y, [x, *corresponding(module)], contest.cotangent)
        for y, module in zip(ys, (ours, peer), strict=True)
    ]
    for name, a, b in zip(names, *gradients, strict=True):
        yield f"gradients of {name}", a, b, GRADIENT_BOUND


def _relative_error(a: Tensor, b: Tensor) -> float:
    return float((a.detach() - b.detach()).norm() / b.detach().norm())
