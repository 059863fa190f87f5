"""Maps that keep a learned rate or time constant in its range, for torch's parametrize.

    exp        e^w                  (0, ∞)
    softplus   ln(1 + e^w)          (0, ∞)
    best       1 / (w² + 1/2)       (0, 2]
    sigmoid    l + (u − l) σ(w)     (l, u)
    clamp      min(max(w, l), u)    [l, u]
    relu       max(w, 0)            [0, ∞)

A change of w to w̃ changes the memory f ∫ abs(e^{−f(w̃)t} − e^{−f(w)t}) dt = abs(1 − f(w)/f(w̃)).
Under the first three this does not grow as the rate becomes slow, so that slow memory can be
learned stably; under "best" moreover the size of the gradient stays proportional to w, since
abs(f′) / f² = 2 abs(w). Under "clamp" and "relu" nothing is learned while w lies beyond a bound,
and the change has no bound near the rate 0; "relu" only keeps a rate from being negative, as the
paper trains what it compares with.

Source: Wang, Li & Li 2024, "Inverse approximation theory for nonlinear recurrent neural
networks", arXiv 2305.19190; "best": Wang & Li 2024, "StableSSM: alleviating the curse of memory
in state-space models through stable reparameterization", arXiv 2311.14495.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.core.errors import ArgumentError, nearest

__papers__ = ("inverse-approximation",)

# Each entry: the rate of (w, lower, upper), and the w of (rate, lower, upper), which is not
# finite for a rate that the map cannot reach.
_KINDS: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "exp": (lambda w, low, high: w.exp(), lambda a, low, high: a.log()),
    "softplus": (
        lambda w, low, high: F.softplus(w),
        lambda a, low, high: a + (-torch.expm1(-a)).log(),
    ),
    "best": (
        lambda w, low, high: 1 / (w.square() + 0.5),
        lambda a, low, high: (1 / a - 0.5).sqrt(),
    ),
    "sigmoid": (
        lambda w, low, high: low + (high - low) * w.sigmoid(),
        lambda a, low, high: ((a - low) / (high - low)).logit(),
    ),
    "clamp": (
        lambda w, low, high: w.clamp(low, high),
        lambda a, low, high: torch.where((a >= low) & (a <= high), a, torch.nan),
    ),
    "relu": (
        lambda w, low, high: w.relu(),
        lambda a, low, high: torch.where(a >= 0, a, torch.nan),
    ),
}


class RateMap(nn.Module):
    """A rate as a function of a free parameter w; see the head of this file.

        parametrise(cell, {"rate": RateMap("softplus")})

    Args:
        kind: "exp", "softplus", "best", "sigmoid", "clamp" or "relu".
        lower: l of "sigmoid" and "clamp".
        upper: u of "sigmoid" and "clamp".

    Raises:
        ArgumentError: if there is no such kind, or l is not below u.
    """

    def __init__(self, kind: str, lower: float = 0.0, upper: float = 1.0) -> None:
        super().__init__()
        if kind not in _KINDS:
            raise ArgumentError(f"No rate map is called {kind!r}. {nearest(kind, _KINDS)}")
        if not lower < upper:
            raise ArgumentError(f"lower must be below upper; got {lower} and {upper}.")
        self.kind, self.lower, self.upper = kind, lower, upper

    def forward(self, w: Tensor) -> Tensor:
        """The rate."""
        return _KINDS[self.kind][0](w, self.lower, self.upper)

    def right_inverse(self, rate: Tensor) -> Tensor:
        """The w that gives this rate.

        Raises:
            ArgumentError: if the map cannot reach a rate.
        """
        w = _KINDS[self.kind][1](rate, self.lower, self.upper)
        if not bool(w.isfinite().all()):
            raise ArgumentError(
                f"{self} cannot reach all of these rates, {rate.min().item():.4g} … "
                f"{rate.max().item():.4g}. Set the rate inside its range first."
            )
        return w

    def extra_repr(self) -> str:
        """The kind and its bounds, for `print`."""
        bounded = self.kind in ("sigmoid", "clamp")
        return self.kind + (f", lower={self.lower}, upper={self.upper}" if bounded else "")
