"""Timescales: for how many steps a unit's activity resembles itself.

    C(l) = 1/(T − l) Σ_t x_t x_{t+l},  x the activity less its mean, averaged over sequences
    one scale     C(l)/C(0) ≈ a e^{−l/τ}
    two scales    C(l)/C(0) ≈ a (c e^{−l/τ₁} + (1 − c) e^{−l/τ₂}),    of which the larger one counts

Fitted by bounded least squares to the first lags, for C is biased at long ones; the fit with the
smaller AIC = 2k + n ln(RSS/n) is taken, of k parameters to n lags.

S. Khajehabdollahi, R. Zeraati, E. Giannakakis, T. J. Schäfer, G. Martius, A. Levina: Emergent
mechanisms for long timescales depend on training curriculum and affect performance in memory
tasks, ICLR 2024, arXiv 2309.12927. On short sequences such fits come out low, and on noise two
scales are preferred too often: look at medians.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ostinato.analysis.finding import Finding, Table
from ostinato.core.errors import ShapeError
from ostinato.core.extras import extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__papers__ = ("timescales",)

_LONGEST = 100.0
_EVALUATIONS = 2000


@dataclass(frozen=True)
class Timescales(Finding):
    """The timescale of every unit, in steps.

    Attributes:
        tau: (S,); not a number for a unit whose activity never changes, or that neither fits.
        scales: (S,) how many scales the better fit has: 1, 2, or 0 for none.
        correlation: (S, L+1) C(l)/C(0) at the lags 0 … L.
    """

    tau: Tensor
    scales: Tensor
    correlation: Tensor

    @property
    def median(self) -> float:
        """Over the units that have one."""
        return float(self.tau.nanmedian())

    def table(self) -> Table:
        """One row for each unit."""
        rows = zip(self.tau.tolist(), self.scales.tolist(), strict=True)
        return Table(["unit", "tau", "scales"], [[i, *row] for i, row in enumerate(rows)])

    def draw(self, axes: Axes) -> None:
        """The correlation of every unit, and the median of their timescales."""
        axes.plot(self.correlation.T.numpy(), color="C0", alpha=0.3)
        axes.set_title(f"median timescale {self.median:.3g} steps")
        axes.set_xlabel("lag (steps)")
        axes.set_ylabel("autocorrelation")


@torch.no_grad()
def timescales(states: Tensor, lags: int = 30) -> Timescales:
    """Fit the timescale of every unit.

    Args:
        states: (B, T, S) activity; the mean of each sequence is taken off.
        lags: L, the longest lag that is fitted; at most T − 2.

    Raises:
        ShapeError: if there are fewer than 6 lags in a sequence, or no sequence.
        MissingExtraError: without scipy.
    """
    if states.dim() != 3 or not len(states) or min(states.shape[1] - 2, lags) < 6:
        raise ShapeError(
            "Expected activity (B, T, S) of one sequence or more, and at least 6 lags below "
            f"T − 1; got {[*states.shape]} and lags={lags}."
        )
    curve_fit = extra("scipy.optimize", "analysis", "A fit of timescales").curve_fit
    found = autocovariance(states, min(lags, states.shape[1] - 2))
    correlation = (found / found[:, :1]).cpu()
    fits = [_better(curve_fit, row) for row in correlation.numpy()]
    tau, scales = zip(*fits, strict=True)
    return Timescales(torch.tensor(tau, dtype=torch.float64), torch.tensor(scales), correlation)


def autocovariance(states: Tensor, lags: int) -> Tensor:
    """C(0) … C(lags) of every unit: (B, T, S) to (S, lags + 1), in float64.

    The sum over t is found by a Fourier transform of twice the length, where nothing wraps round.
    """
    steps = states.shape[1]
    x = states.double() - states.double().mean(1, keepdim=True)
    power = torch.fft.rfft(x, 2 * steps, dim=1).abs().square()
    sums = torch.fft.irfft(power, 2 * steps, dim=1)[:, : lags + 1].mean(0)
    found: Tensor = sums.T / (steps - torch.arange(lags + 1, device=sums.device))
    return found


def _one(lag: Any, a: float, tau: float) -> Any:
    return a * np.exp(-lag / max(tau, 1e-9))


def _two(lag: Any, a: float, c: float, first: float, second: float) -> Any:
    return c * _one(lag, a, first) + (1 - c) * _one(lag, a, second)


def _better(curve_fit: Callable[..., Any], correlation: Any) -> tuple[float, int]:
    """The timescale of the fit with the smaller AIC, and its number of scales."""
    if not np.isfinite(correlation).all():
        return math.nan, 0
    fits = [
        (*_fit(curve_fit, _one, correlation, [1.0, _LONGEST]), 1),
        (*_fit(curve_fit, _two, correlation, [1.0, 1.0, _LONGEST, _LONGEST]), 2),
    ]
    aic, tau, scales = min(fits)
    return (tau, scales) if aic < math.inf else (math.nan, 0)


def _fit(
    curve_fit: Callable[..., Any], model: Callable[..., Any], y: Any, upper: list[float]
) -> tuple[float, float]:
    """AIC and longest scale of one model; an infinite AIC if the search does not end."""
    lag = np.arange(len(y))
    try:
        found = curve_fit(model, lag, y, bounds=(0, upper), max_nfev=_EVALUATIONS)[0]
    except RuntimeError:
        return math.inf, math.nan
    rss = max(float(np.square(y - model(lag, *found)).sum()), 1e-300)
    return 2 * len(upper) + len(y) * math.log(rss / len(y)), float(found[len(upper) // 2 :].max())
