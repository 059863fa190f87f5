"""A state matrix of few parameters, learned: a tridiagonal inverse between diagonals.

HiPPO's matrices of the classical orthogonal polynomials are quasiseparable: with P = diag(p),
Q = diag(q), T tridiagonal (l, d, u) and B = P b,

    A = −P (T^{-1} + diag(c)) Q

is a family of O(N) parameters that contains them, and stays itself when they are learned.

    legs: p = q = R, T = tridiag(−1, 1, 0), c_n = −n/(2n+1)
    legt: p = ½ R, q = R, T = tridiag(−½, 0, ½) with d_0 = d_{N−1} = ½, c = 0
    lagt: p = q = 1, T = tridiag(−1, 1, 0), c = −½
    chebi: p = q = 1, T = tridiag(−½, 0, ½) with the first l and u times √2, c = 0, N even
    chebii: p = q = 1, T = tridiag(−½, 0, ½), c = 0, N even                     b = 1 in all

Source: Gu, Johnson, Goel, Saab, Dao, Rudra & Ré 2021, "Combining Recurrent, Convolutional, and
Continuous-time Models with Linear State-Space Layers", arXiv 2110.13985.
Deviation: the released code adds noise to d; here "legs", "legt" and "lagt" begin as exactly the
matrices that they are named after.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ostinato.cells import tridiagonal
from ostinato.cells.discretise import alpha_of, widened
from ostinato.cells.hippo import System, roots
from ostinato.cells.state_matrix import StateMatrix, hold
from ostinato.core.errors import ArgumentError, nearest

__papers__ = ("lssl",)


class TridiagonalInverse(StateMatrix):
    """A = −P (T^{-1} + diag(c)) Q, B = P b, all learned.

    Args:
        measure: which of the matrices above it begins as.
        size: N.
        copies: H, one pair for each feature; None: one for all.
        device: of the parameters.
        dtype: of the parameters.
    """

    p: Tensor
    q: Tensor
    b: Tensor
    c: Tensor
    lower: Tensor
    diagonal: Tensor
    upper: Tensor

    def __init__(
        self,
        measure: str,
        size: int,
        copies: int | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        nn.Module.__init__(self)
        hold(self, initial(measure, size), True, copies, device, dtype)

    @property
    def diagonals(self) -> tridiagonal.Diagonals:
        """T, as l, d and u."""
        return self.lower, self.diagonal, self.upper

    def matrices(self) -> System:
        """A (N, N) and B (N,), or (H, N, N) and (H, N)."""
        inverse, _ = torch.linalg.inv_ex(widened(tridiagonal.dense(self.diagonals)))
        inner = inverse + torch.diag_embed(self.c)
        return -self.p[..., :, None] * inner * self.q[..., None, :], self.p * self.b

    def multiply(self, step: Tensor, x: Tensor) -> Tensor:
        """(I + δ A) x of x (H, N, K), in O(N K) for each of the steps (H,)."""
        scaled = self.q[..., None] * x
        inner = self.c[..., None] * scaled + tridiagonal.solve(self.diagonals, scaled)
        return x - step[:, None, None] * self.p[..., None] * inner

    def solve(self, step: Tensor, x: Tensor) -> Tensor:
        """(I − δ A)^{-1} x of x (H, N, K), in O(N K) for each of the steps (H,)."""
        delta = step[:, None]
        # T P^{-1} Q^{-1} + δ T diag(c) + δ I, which is tridiagonal again
        columns = 1 / (self.p * self.q) + delta * self.c
        lower, diagonal, upper = self.diagonals
        middle = (
            lower * columns.roll(1, -1),
            diagonal * columns + delta,
            upper * columns.roll(-1, -1),
        )
        right = tridiagonal.multiply(self.diagonals, x / self.p[..., None])
        return tridiagonal.solve(middle, right) / self.q[..., None]

    def check_structured(self, method: str | float) -> None:
        """Raise unless `structured` can be had.

        Raises:
            ArgumentError: for "zoh", and where elimination would divide by 0.
        """
        if method == "zoh" or not bool(self.diagonal[..., 0].all()):
            raise ArgumentError(
                "The structured path takes generalised bilinear transforms and a T whose first "
                "diagonal element is not 0, as it is in 'chebi' and 'chebii'; got "
                f"discretisation={method!r} and {self.diagonal[..., 0].tolist()}. Leave "
                "structured=False, which takes all."
            )

    def structured(self, step: Tensor, method: str | float = "bilinear") -> System:
        """What `discretised` gives, without a dense factorisation.

        Raises:
            ArgumentError: as `check_structured`.
        """
        self.check_structured(method)
        alpha = alpha_of(method)
        one = torch.eye(self.p.shape[-1], dtype=step.dtype, device=step.device)
        one = one.expand(len(step), -1, -1)
        b = (step[:, None] * self.p * self.b)[..., None]
        right = torch.cat([self.multiply((1 - alpha) * step, one), b], -1)
        both = self.solve(alpha * step, right)
        return both[..., :-1], both[..., -1]


def initial(measure: str, size: int) -> dict[str, Tensor]:
    """p, q, c, b and the diagonals of T that a measure begins with, each (N,) in float64.

    Raises:
        ArgumentError: if the measure is of no such form, or has no such size.
    """
    if measure not in FORMS:
        raise ArgumentError(f"No quasiseparable A is called {measure!r}. {nearest(measure, FORMS)}")
    triangular = measure in ("legs", "lagt")
    if size < (1 if triangular else 2) or (measure.startswith("cheb") and size % 2):
        need = {"legs": "1", "lagt": "1", "legt": "2"}.get(measure, "2, and even")
        raise ArgumentError(f"The size of {measure!r} must be at least {need}; got {size}.")
    one, zero = torch.ones(size, dtype=torch.float64), torch.zeros(size, dtype=torch.float64)
    found = {"p": one, "q": one, "lower": -one, "diagonal": one, "upper": zero, "c": zero, "b": one}
    return {name: value.clone() for name, value in (found | FORMS[measure](size)).items()}


def _legs(size: int) -> dict[str, Tensor]:
    root, n = roots(size), torch.arange(size, dtype=torch.float64)
    return {"p": root, "q": root, "c": -n / (2 * n + 1)}


def _legt(size: int) -> dict[str, Tensor]:
    diagonal = torch.zeros(size, dtype=torch.float64)
    diagonal[0] = diagonal[-1] = 0.5
    return {**_skew(size), "p": roots(size) / 2, "q": roots(size), "diagonal": diagonal}


def _lagt(size: int) -> dict[str, Tensor]:
    return {"c": torch.full((size,), -0.5, dtype=torch.float64)}


def _chebi(size: int) -> dict[str, Tensor]:
    found = _skew(size)
    found["lower"][1] *= math.sqrt(2)
    found["upper"][0] *= math.sqrt(2)
    return found


def _skew(size: int) -> dict[str, Tensor]:
    half = torch.full((size,), 0.5, dtype=torch.float64)
    return {"lower": -half, "diagonal": 0 * half, "upper": half}


FORMS: dict[str, Callable[[int], dict[str, Tensor]]] = {
    "legs": _legs,
    "legt": _legt,
    "lagt": _lagt,
    "chebi": _chebi,
    "chebii": _skew,
}
"""What each measure says of p, q, c and T; the rest is that of the unit lower triangle."""
