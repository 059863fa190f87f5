"""Annealed Gaussian noise added to gradients.

A. Neelakantan, L. Vilnis, Q. V. Le, I. Sutskever, Ł. Kaiser, K. Kurach, J. Martens, "Adding
Gradient Noise Improves Learning for Very Deep Networks", 2015, arXiv 1511.06807:

    g_t ← g_t + ξ_t,   ξ_t ~ N(0, σ_t² I),   σ_t² = η / (1 + t)^γ,   t = 0, 1, 2, …

η is a variance, t counts optimizer steps, and the order is clip, noise, step. The paper takes
γ = 0.55 and η from {0.01, 0.3, 1}. Under plain SGD the noise alone walks each weight by about
lr · √(η Σ (1+t)^−γ): choose η so that the walk stays below the weights' scale.

Deviation: the draws of step t depend on the seed and t alone instead of on a running generator,
so that every process of a distributed run adds the same noise and a resumed run goes on as the
first would have.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError, CheckpointError
from ostinato.train.seeding import step_seed
from ostinato.train.transforms import (
    Entry,
    GradientTransform,
    Parameters,
    dense_part,
    with_gradient,
)

__papers__ = ("gradient-noise",)

Sparse = Literal["touched", "densify", "skip"]


class GradientNoise(GradientTransform):
    """Adds N(0, η / (1+t)^γ) to every coordinate of every gradient.

    Args:
        eta: η, the *variance* at the first step. A parameter group's entry `"noise_eta"`
            replaces it for that group; 0 leaves a group untouched.
        gamma: γ, the decay of the variance.
        schedule: t → σ_t² / η, in place of (1 + t)^−γ.
        start: optimizer steps before the noise begins; t counts from there.
        relative: σ_t is multiplied by the root mean square of each parameter's gradient.
        where: parameters to which noise is added; None: all.
        seed: of the noise.
        sparse: a sparse gradient gets noise on its stored rows ("touched", with one warning),
            on all rows ("densify"), or none ("skip").
    """

    def __init__(
        self,
        eta: float = 0.01,
        gamma: float = 0.55,
        *,
        schedule: Callable[[int], float] | None = None,
        start: int = 0,
        relative: bool = False,
        where: Callable[[Tensor], bool] | None = None,
        seed: int = 0,
        sparse: Sparse = "touched",
    ):
        if eta < 0 or start < 0:
            raise ArgumentError(f"eta and start must be >= 0, got eta={eta!r}, start={start!r}.")
        if sparse not in get_args(Sparse):
            raise ArgumentError(f"sparse must be one of {get_args(Sparse)}, got {sparse!r}.")
        self.eta, self.gamma, self.schedule, self.start = eta, gamma, schedule, start
        self.relative, self.where, self.seed, self.sparse = relative, where, seed, sparse
        self.steps = 0

    def sigma(self, step: int, eta: float | None = None) -> float:
        """σ of optimizer step `step` (from 0), a standard deviation."""
        t = step - self.start
        if t < 0:
            return 0.0
        decay = self.schedule(t) if self.schedule else (1.0 + t) ** -self.gamma
        return math.sqrt((self.eta if eta is None else eta) * decay)

    def __call__(self, parameters: Parameters) -> None:
        """Add the noise of this optimizer step and go on to the next."""
        generators: dict[torch.device, torch.Generator] = {}
        for entry in with_gradient(parameters):
            sigma = self.sigma(self.steps, entry.group.get("noise_eta"))
            if sigma > 0 and (self.where is None or self.where(entry.parameter)):
                device = entry.gradient.device
                if device not in generators:
                    seed = step_seed(self.seed, self.steps)
                    generators[device] = torch.Generator(device).manual_seed(seed)
                self._add(entry, sigma, generators[device])
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        """The optimizer steps taken, and the seed: together they determine all draws."""
        return {"steps": self.steps, "seed": self.seed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue the same noise sequence."""
        if state["seed"] != self.seed:
            raise CheckpointError(
                f"the noise was seeded with {state['seed']}, this one with {self.seed}. "
                f"Build GradientNoise(seed={state['seed']})."
            )
        self.steps = int(state["steps"])

    def _add(self, entry: Entry, sigma: float, generator: torch.Generator) -> None:
        gradient = entry.gradient
        if gradient.is_sparse and self.sparse == "skip":
            return
        if gradient.is_sparse and self.sparse == "densify":
            gradient = entry.parameter.grad = gradient.to_dense()
        if gradient.is_sparse:
            _warn_touched()
        target = dense_part(gradient)
        if self.relative:
            sigma = sigma * float(target.square().mean().sqrt())
        target.add_(_normal(target, generator), alpha=sigma)


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal draws (same shape), drawn in float32 if `like` is of low precision."""
    dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
    draws = torch.empty(like.shape, dtype=dtype, device=like.device)
    return draws.normal_(generator=generator).to(like.dtype)


def _warn_touched() -> None:
    warnings.warn(
        "a sparse gradient gets noise on its stored rows only; GradientNoise(sparse='densify') "
        "adds it to all rows, sparse='skip' to none.",
        stacklevel=4,
    )
