"""From a continuous system dx/dt = A x + B u to the step x_t = Ā x_{t−1} + B̄ u_t of length δ.

The generalised bilinear transform with parameter α in [0, 1],

    Ā = (I − α δ A)^{-1} (I + (1 − α) δ A),   B̄ = δ (I − α δ A)^{-1} B

is forward Euler for α = 0, the bilinear rule for α = ½, backward Euler for α = 1. The zero-order
hold is exact for a u that is constant through the step:

    Ā = exp(δ A),   B̄ = A^{-1} (Ā − I) B

Source: Zhang, Chen & Zhou 2007, "Performance recovery in digital implementation of analogue
systems" (the transform); Gu et al. 2021, arXiv 2110.13985.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError, nearest

__papers__ = ("lssl",)

ALPHAS = {"euler": 0.0, "bilinear": 0.5, "backward_euler": 1.0}
"""α of the rules that have names."""


def discretise(
    a: Tensor, b: Tensor, step: Tensor, method: str | float = "bilinear"
) -> tuple[Tensor, Tensor]:
    """Ā and B̄ for every step length.

    Args:
        a: A (N, N), or (H, N, N) with one for each feature.
        b: B (N,) or (H, N).
        step: δ (H,).
        method: "euler", "bilinear", "backward_euler", "zoh", or α.

    Returns:
        Ā (H, N, N) and B̄ (H, N), of the dtype of δ; numbers of 16 bits are computed with 32.

    Raises:
        ArgumentError: if there is no such method, or α is not in [0, 1].
    """
    check_method(method)
    held, hold = _discretised(widened(a), widened(b), widened(step), method)
    return held.to(step.dtype), hold.to(step.dtype)


def widened(x: Tensor) -> Tensor:
    """A tensor for a factorisation, of which torch has none in 16 bits."""
    return x.float() if x.element_size() < 4 else x


def _discretised(a: Tensor, b: Tensor, step: Tensor, method: str | float) -> tuple[Tensor, Tensor]:
    delta = step[:, None, None]
    b = b.expand(len(step), -1)[..., None]
    if method == "zoh":
        return _held(delta * a, delta * b)
    alpha, one = alpha_of(method), torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    right = torch.cat([one + (1 - alpha) * delta * a, delta * b], -1)
    # Its check for singular matrices would wait for the device, and be a part of every trace.
    both, _ = torch.linalg.solve_ex(one - alpha * delta * a, right)
    return both[..., :-1], both[..., -1]


def alpha_of(method: str | float) -> float:
    """α of a method that is a generalised bilinear transform."""
    return ALPHAS[method] if isinstance(method, str) else method


def check_method(method: str | float) -> None:
    """Raise unless a discretisation is meant.

    Raises:
        ArgumentError: if there is no such method, or α is not in [0, 1].
    """
    known = (*ALPHAS, "zoh")
    if isinstance(method, str):
        if method not in known:
            raise ArgumentError(f"No discretisation is called {method!r}. {nearest(method, known)}")
    elif not 0 <= method <= 1:
        raise ArgumentError(f"The transform's α must lie in [0, 1]; got {method}.")


def _held(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The exponential of [[A, B], [0, 0]] holds both parts, also where A has no inverse."""
    whole = torch.nn.functional.pad(torch.cat([a, b], -1), (0, 0, 0, 1))
    both = torch.linalg.matrix_exp(whole)[..., :-1, :]
    return both[..., :-1], both[..., -1]
