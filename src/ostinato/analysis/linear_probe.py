"""Linear probes: what a linear map can read off the states.

    target ≈ W h_t + b

G. Alain, Y. Bengio: Understanding intermediate layers using linear classifier probes, 2016,
arXiv 1610.01644. Fitted on some of the sequences and scored on the others, since a wide state
explains any target that it has seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ostinato.analysis.finding import Finding, Table
from ostinato.core.errors import ShapeError
from ostinato.core.extras import extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class LinearProbe(Finding):
    """How well a linear map reads a target, step by step.

    Attributes:
        metric: "accuracy" for classes, "R²" for numbers.
        scores: (T,) on sequences that it was not fitted on.
        chance: what the commonest class of those it was fitted on scores, or the mean: 0.
    """

    metric: str
    scores: Tensor
    chance: float

    def table(self) -> Table:
        """One row for each step."""
        rows = [[t, score, self.chance] for t, score in enumerate(self.scores.tolist())]
        return Table(["step", self.metric, "chance"], rows)

    def draw(self, axes: Axes) -> None:
        """Score over time."""
        axes.plot(self.scores.numpy(), marker=".")
        axes.axhline(self.chance, color="black", linewidth=0.8, linestyle="--")
        axes.set_xlabel("step")
        axes.set_ylabel(f"{self.metric} of the linear probe")


@torch.no_grad()
def linear_probe(
    states: Tensor, targets: Tensor, held_out: float = 0.3, strength: float = 1.0
) -> LinearProbe:
    """Fit one linear map for every step.

    Args:
        states: (B, T, S).
        targets: classes int64, or real numbers: (B,) for all steps, or (B, T).
        held_out: the share of sequences, the last ones, that scores are measured on.
        strength: of the penalty on squared weights.

    Raises:
        ShapeError: if the shapes do not fit, or fewer than two sequences are left on either side.
        MissingExtraError: without scikit-learn.
    """
    rows, steps = states.shape[:2]
    cut = round(rows * (1 - held_out))
    if targets.shape not in ((rows,), (rows, steps)) or not 2 <= cut <= rows - 2:
        raise ShapeError(
            f"Expected states (B, T, S), targets (B,) or (B, T), and two sequences at least on "
            f"either side; got {[*states.shape]}, {[*targets.shape]}, and {cut} to fit on."
        )
    classes = not targets.is_floating_point()
    models = extra("sklearn.linear_model", "analysis", "A linear probe")
    answers = targets[:, None].expand(-1, steps) if targets.dim() == 1 else targets
    h, y = states.cpu().double().numpy(), answers.cpu().numpy()
    kind = models.RidgeClassifier if classes else models.Ridge
    found = [
        kind(alpha=strength).fit(h[:cut, t], y[:cut, t]).score(h[cut:, t], y[cut:, t])
        for t in range(steps)
    ]
    commonest = answers[:cut].mode(0).values
    chance = float((answers[cut:] == commonest).double().mean()) if classes else 0.0
    return LinearProbe("accuracy" if classes else "R²", torch.tensor(found), chance)
