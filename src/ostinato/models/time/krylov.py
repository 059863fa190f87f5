"""A constant linear recurrence as a convolution, by Krylov vectors and Fourier transforms.

    x_t = Ā x_{t−1} + B̄ u_t,  y_t = C x_t    is    y = K ∗ u,   K_i = C Ā^i B̄

The Krylov vectors Ā^i B̄ of T steps come from log₂ T doublings, X ← [X, P X], P ← P P with
P = Ā^(width of X), in O(N² T) for each system; the convolution from three Fourier transforms of
length 2T, so that nothing wraps around.

Source: Gu, Johnson, Goel, Saab, Dao, Rudra & Ré 2021, arXiv 2110.13985. Their faster algorithm over
polynomials, which they state to be of no use in floating point, is left out.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch
from torch import Tensor

__papers__ = ("lssl",)


def krylov(a: Tensor, b: Tensor, length: int) -> Tensor:
    """The vectors A^i b, i = 0 … length−1.

    Args:
        a: A (..., N, N).
        b: (..., N), with the leading axes of A, or more that A is broadcast over.
        length: T, at least 1.

    Returns:
        (..., N, T). Powers of HiPPO matrices grow before they fall: float32 at least.
    """
    found, power = b[..., None], a
    while found.shape[-1] < length:
        found = torch.cat([found, power @ found[..., : length - found.shape[-1]]], -1)
        power = power @ power
    return found


def advance(a: Tensor, state: Tensor, steps: Tensor) -> Tensor:
    """A^steps times the state, by the binary digits of the steps.

    Args:
        a: A (H, N, N).
        state: (B, H, N).
        steps: (B,), for each row.

    Returns:
        (B, H, N).
    """
    for digit in range(int(steps.max()).bit_length()):
        moved = (state.transpose(0, 1) @ a.mT).transpose(0, 1)
        odd = (steps >> digit) % 2 == 1
        state = torch.where(odd[:, None, None], moved, state)
        a = a @ a
    return state


def convolve(u: Tensor, kernel: Tensor) -> Tensor:
    """The causal convolution of every feature with its own kernels.

    Args:
        u: (B, T, H).
        kernel: K (H, M, T).

    Returns:
        y (B, T, H, M), y_t = Σ_{i ≤ t} K_i u_{t−i}.
    """
    u = u.transpose(1, 2)
    with torch.no_grad():
        spectra = _spectrum(u), _spectrum(kernel)
    y: Tensor = _Convolution.apply(u, kernel, *spectra)  # type: ignore[no-untyped-call]
    return y.permute(0, 3, 1, 2)


def final_state(vectors: Tensor, u: Tensor) -> Tensor:
    """The state after the last of inputs (B, T, H): Σ_i Ā^i B̄ u_{T−1−i}.

    Args:
        vectors: Krylov vectors (H, N, T).
        u: (B, T, H).

    Returns:
        (B, H, N).
    """
    return (u.permute(2, 0, 1).flip(-1) @ vectors.mT).transpose(0, 1)


class _Convolution(torch.autograd.Function):
    """u (B, H, T) and K (H, M, T), with the spectra of both, to y (B, H, M, T).

    The gradients are convolutions too, backwards in time. Left to autograd, that of each real
    transform would be a complex one of twice the size.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(u: Tensor, kernel: Tensor, inputs: Tensor, response: Tensor) -> Tensor:
        return _back(inputs[:, :, None] * response, u)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        u, kernel, *spectra = ctx.saved_tensors
        if torch.is_grad_enabled():
            # Gradients of the gradients flow through transforms; those of before are constants.
            spectra = [_spectrum(u), _spectrum(kernel)]
        inputs, response = spectra
        for_u, for_kernel, *_ = ctx.needs_input_grad
        y = _spectrum(cotangent)
        return (
            _back(_over_channels(y * response.conj()), u) if for_u else None,
            _back((y * inputs.conj()[:, :, None]).sum(0), u) if for_kernel else None,
            None,
            None,
        )


def _over_channels(spectra: Tensor) -> Tensor:
    """Their sum (B, H, F) over M; `sum` would copy where M is 1, as it mostly is."""
    return reduce(torch.add, spectra.unbind(2))


def _spectrum(x: Tensor) -> Tensor:
    """Of (..., T), with as many zeros behind it."""
    found: Tensor = torch.fft.rfft(x, 2 * x.shape[-1])
    return found


def _back(spectrum: Tensor, like: Tensor) -> Tensor:
    """The first T values (..., T) of what has the spectrum, T that of `like`."""
    steps = like.shape[-1]
    found: Tensor = torch.fft.irfft(spectrum, 2 * steps)
    return found[..., :steps]
