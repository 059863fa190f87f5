"""The views of one LSSL beside each other: recurrence, convolution, and another step length."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ostinato.cells.lssl import LSSLCell
from ostinato.models.time.lssl_layer import LSSL

SIZES = (4, 8, 16, 32)
"""N of the memories."""


def difference(steps: int, learn: str) -> float:
    """Largest relative one of outputs, states and gradients between the two views, in float64."""
    cell = LSSLCell(2, 4, state_size=16, channels=2, learn=learn, dtype=torch.float64)
    x = torch.randn(2, steps, 2, dtype=torch.float64)
    state = torch.randn_like(cell.initial_state(2))
    views = [_outcome(LSSL(cell, mode), x, state) for mode in ("recurrence", "convolution")]
    return max(float((a - b).abs().max() / a.abs().max()) for a, b in zip(*views, strict=True))


@torch.no_grad()
def memory_errors(window: int = 1000) -> list[float]:
    """How far a LegT system with N of `SIZES` is from a delay by half its window.

    The input is a sum of sines with one to two periods in the window; the error is relative.
    """
    delay, t = window // 2, torch.arange(4 * window, dtype=torch.float64) / window
    cycles = 1 + torch.rand(4, 1, dtype=torch.float64)
    u = torch.sin(2 * torch.pi * (cycles * t + torch.rand_like(cycles))).mean(0)
    wanted = u[:-delay][-2 * window :]
    errors = []
    for size in SIZES:
        y = LSSL(_delay(size, 2 / window))(u[None, :, None])[0][0, -2 * window :, 0]
        errors.append(float((y - wanted).norm() / wanted.norm()))
    return errors


@torch.no_grad()
def repeat_errors(steps: Sequence[float]) -> list[float]:
    """What it changes to halve δ and read every input twice, relatively, for some δ.

    The input is a squared sine, of 3 units of time.
    """
    errors = []
    for step in steps:
        cell = LSSLCell(
            4, 4, state_size=16, step_min=step, step_max=step, project=False, dtype=torch.float64
        )
        cell.C.fill_(1)
        cell.D.zero_()
        t = step * torch.arange(int(20 / step), dtype=torch.float64)
        x = (torch.sin(t) ** 2)[None, :, None].expand(-1, -1, 4)
        layer = LSSL(cell)
        once = layer(x)[0]
        cell.resample(0.5)
        twice = layer(x.repeat_interleave(2, 1))[0][:, 1::2]
        errors.append(float((once - twice).norm() / once.norm()))
    return errors


def _outcome(layer: LSSL, x: Tensor, state: Tensor) -> list[Tensor]:
    """Outputs, last state, and all gradients."""
    x, state = (each.clone().requires_grad_() for each in (x, state))
    y, last = layer(x, state)
    loss = y.square().sum() + last.square().sum()
    gradients = torch.autograd.grad(loss, [x, state, *layer.cell.parameters()])
    return [y.detach(), last.detach(), *gradients]


def _delay(size: int, step: float) -> LSSLCell:
    """A system that puts out its input of half a window before."""
    cell = LSSLCell(
        1,
        1,
        state_size=size,
        measure="legt",
        learn="fixed",
        step_min=step,
        step_max=step,
        project=False,
        dtype=torch.float64,
    )
    # Legendre's polynomials at the middle of the window, by their recurrence relation.
    n, middle = torch.arange(size), torch.zeros(size, dtype=torch.float64)
    even = n[::2].double()
    ratio = -(even[1:] - 1) / even[1:]
    middle[::2] = torch.cat([torch.ones(1, dtype=torch.float64), ratio.cumprod(0)])
    cell.C.copy_((torch.sqrt(2.0 * n + 1) * middle)[None, None])
    cell.D.zero_()
    return cell
