"""HiPPO: state matrices whose state holds the coefficients of the past in a family of functions.

    dx/dt = A x + B u                                       0 ≤ n, k < N,  R_n = √(2n + 1)

- "legs", Legendre polynomials over all that came before:
  A_nk = −R_n R_k for n > k, −(n+1) for n = k, 0 for n < k;  B_n = R_n
- "legt", Legendre polynomials over a window of length 2:
  A_nk = −½ R_n R_k · (1 if n ≥ k else (−1)^{n−k});  B_n = ½ R_n
- "lagt", Laguerre polynomials, an exponentially fading past:
  A_nk = −1 for n > k, −½ for n = k, 0 for n < k;  B_n = 1
- "lmu", the same in another scaling, over a window of length 1:
  A_nk = (2n+1) · (−1 if n < k else (−1)^{n−k+1});  B_n = (2n+1) (−1)^n
- "fout", a truncated Fourier basis over a window of length 2, N even:
  A[2j, 2j+1] = −πj, A[2j+1, 2j] = πj, then A − B Bᵀ;  B_0 = 1, B_2j = √2, else 0
- "random", a baseline: A_nk ~ N(0, 1)/N;  B_n = 1

Sources: Gu, Dao, Ermon, Rudra & Ré 2020, "HiPPO: Recurrent Memory with Optimal Polynomial
Projections", arXiv 2008.07669; Voelker, Kajić & Eliasmith 2019, "Legendre Memory Units";
Gu, Johnson, Goel, Saab, Dao, Rudra & Ré 2021, arXiv 2110.13985 (the baseline); Gu, Johnson,
Timalsina, Rudra & Ré 2022, "How to Train Your HiPPO", arXiv 2206.12037 ("fout").
Deviation: signs are those of the system above, where the appendix of arXiv 2110.13985 prints −A.
"legt" and "fout" have the factors ½ of the released code: without them the window has length 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError, nearest

__papers__ = ("lssl",)

System = tuple[Tensor, Tensor]
"""A (N, N) and B (N,)."""


def hippo(measure: str, size: int) -> System:
    """A and B of a family, float64.

    Args:
        measure: "legs", "legt", "lagt", "lmu", "fout" or "random", which draws A.
        size: N.

    Returns:
        A (N, N) and B (N,).

    Raises:
        ArgumentError: if there is no such family, or it has no such size.
    """
    if measure not in MEASURES:
        raise ArgumentError(f"No measure is called {measure!r}. {nearest(measure, MEASURES)}")
    if size < 1 or (measure == "fout" and size % 2):
        even = "even and " if measure == "fout" else ""
        raise ArgumentError(f"The size of {measure!r} must be {even}at least 1; got {size}.")
    return MEASURES[measure](size)


def roots(size: int) -> Tensor:
    """R (N,), the inverse norms of Legendre's polynomials, float64."""
    return torch.sqrt(2 * torch.arange(size, dtype=torch.float64) + 1)


def _legs(size: int) -> System:
    root = roots(size)
    full = -torch.outer(root, root).tril(-1)
    return full - torch.diag(torch.arange(1, size + 1).to(full)), root


def _legt(size: int) -> System:
    root, sign = roots(size), _signs(size)
    full = torch.outer(root, root)
    return -0.5 * (full.tril() + (full * sign).triu(1)), 0.5 * root


def _lagt(size: int) -> System:
    ones = torch.ones(size, size, dtype=torch.float64)
    return -ones.tril() + torch.eye(size).to(ones) / 2, ones[0]


def _lmu(size: int) -> System:
    factor, sign = 2 * torch.arange(size, dtype=torch.float64) + 1, _signs(size)
    return -factor[:, None] * (sign.tril() + torch.ones_like(sign).triu(1)), factor * sign[0]


def _fout(size: int) -> System:
    turning = torch.zeros(size, size, dtype=torch.float64)
    b = turning.new_zeros(size)
    b[::2] = math.sqrt(2)
    b[0] = 1
    even = torch.arange(0, size, 2)
    turning[even + 1, even] = math.pi * even.to(b) / 2
    return turning - turning.T - torch.outer(b, b), b


def _random(size: int) -> System:
    ones = torch.ones(size, dtype=torch.float64)
    return torch.randn(size, size, dtype=torch.float64) / size, ones


def _signs(size: int) -> Tensor:
    """(−1)^{n−k} (N, N)."""
    n = torch.arange(size)
    return 1 - 2.0 * ((n[:, None] + n) % 2).double()


MEASURES: dict[str, Callable[[int], System]] = {
    "legs": _legs,
    "legt": _legt,
    "lagt": _lagt,
    "lmu": _lmu,
    "fout": _fout,
    "random": _random,
}
"""The families by name."""
