"""Unbiased online recurrent optimisation: sensitivities of rank one, right on average.

    S_t ≈ s_t ⊗ θ_t,   s_t = ρ₀ J_t s_{t−1} + ρ₁ ν,   θ_t = θ_{t−1} / ρ₀ + νᵀ I_t / ρ₁

with random signs ν, ρ₀ = √(‖θ_{t−1}‖ / ‖J_t s_{t−1}‖) and ρ₁ = √(‖νᵀ I_t‖ / ‖ν‖).
C. Tallec, Y. Ollivier: Unbiased online recurrent optimization, 2018, arXiv 1702.05043.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ostinato.compiler.entries import Entries, Entry
from ostinato.train.rtrl.sensitivities import Segment

_EPSILON = 1e-7


@dataclass(frozen=True)
class RankOne:
    """UORO; kept are s (B, S), then θ of every entry (B, size, D).

    Attributes:
        found: where constants enter the step.
        generator: of the signs; None: torch's own.
    """

    found: Entries
    generator: torch.Generator | None = None

    def shapes(self, carry: Sequence[Tensor]) -> list[tuple[int, ...]]:
        """Of what a row keeps, given the leaves of the state."""
        units = sum(leaf[0].numel() for leaf in carry)
        return [(units,), *((entry.size, entry.inner) for entry in self.found.found)]

    def owners(self) -> list[int | None]:
        """The entry that each tensor kept belongs to; s belongs to all."""
        return [None, *range(len(self.found.found))]

    def faded(self, kept: Sequence[Tensor], factor: float) -> tuple[Tensor, ...]:
        """Sensitivities times a factor, which one side of the product takes."""
        s, *thetas = kept
        return (factor * s, *thetas)

    def advance(self, kept: Sequence[Tensor], segment: Segment) -> tuple[Tensor, ...]:
        """After a segment."""
        for part in segment.parts(1):
            kept = self._step(kept, part)
        return tuple(kept)

    def gradients(
        self, kept: Sequence[Tensor], errors: Sequence[Tensor], fixed: Sequence[Tensor]
    ) -> list[Tensor | None]:
        """Of every constant: Σ_b (e_b · s_b) θ_b."""
        s, *thetas = kept
        share = (torch.cat([e.flatten(1) for e in errors], 1) * s).sum(1)
        found: list[Tensor | None] = [None] * len(fixed)
        for entry, theta in zip(self.found.found, thetas, strict=True):
            own = entry.gradient(torch.einsum("b,bnd->nd", share, theta), fixed[entry.constant])
            before = found[entry.constant]
            found[entry.constant] = own if before is None else before + own
        return found

    def _step(self, kept: Sequence[Tensor], segment: Segment) -> tuple[Tensor, ...]:
        s, *thetas = kept
        if segment.restarted is not None:
            stays = ~segment.restarted[0]
            s, thetas = _rows(stays, s), [_rows(stays, theta) for theta in thetas]
        signs = torch.empty_like(s).bernoulli_(0.5, generator=self.generator) * 2 - 1
        moved, seen = self._both_ways(s, signs, segment)
        before = _norm(thetas)
        keep = ((before + _EPSILON) / (_norm([moved]) + _EPSILON)).sqrt()
        add = ((_norm(seen) + _EPSILON) / (_norm([signs]) + _EPSILON)).sqrt()
        new = [keep[:, None] * moved + add[:, None] * signs]
        new += [
            theta / keep[:, None, None] + own / add[:, None, None]
            for theta, own in zip(thetas, seen, strict=True)
        ]
        if segment.held is not None:
            stays = segment.held[0]
            old = zip((s, *thetas), new, strict=True)
            return tuple(_rows(stays, a) + _rows(~stays, b) for a, b in old)
        return tuple(new)

    def _both_ways(self, s: Tensor, signs: Tensor, segment: Segment) -> tuple[Tensor, list[Tensor]]:
        """J s (B, S), and νᵀ I for every entry (B, size, D)."""
        carry, x = ([leaf[0].detach() for leaf in each] for each in (segment.carry, segment.x))
        changes = [s.new_zeros(len(s), entry.size) for entry in self.found.found]
        count = len(carry)

        def new(h: Sequence[Tensor], delta: Sequence[Tensor]) -> Any:
            results = self.found.step(*h, *x, *segment.fixed, *delta)
            flat = torch.cat([leaf.flatten(1) for leaf in results[:count]], 1)
            return flat, results[count:]

        along = s.split([leaf[0].numel() for leaf in carry], 1)  # type: ignore[no-untyped-call]
        directions = [v.reshape(leaf.shape) for v, leaf in zip(along, carry, strict=True)]
        moved = torch.func.jvp(lambda *h: new(h, changes)[0], tuple(carry), tuple(directions))[1]
        with torch.enable_grad():
            leaves = [change.requires_grad_() for change in changes]
            flat, operands = new(carry, leaves)
            pulled = torch.autograd.grad((flat * signs).sum(), leaves, allow_unused=True)
        seen = zip(self.found.found, pulled, leaves, operands, strict=True)
        return moved, [
            _outer(entry, torch.zeros_like(leaf) if g is None else g, a)
            for entry, g, leaf, a in seen
        ]


def _outer(entry: Entry, pulled: Tensor, operand: Tensor | None) -> Tensor:
    """Of δ (B, size) and operand (B, parts, D), (B, size, D)."""
    if operand is None:
        return pulled[..., None]
    parts = pulled.view(-1, entry.parts, entry.outer, 1) * operand.detach()[:, :, None]
    return parts.flatten(1, 2)


def _norm(tensors: Sequence[Tensor]) -> Tensor:
    """Of every row, of all tensors together."""
    return sum((t.flatten(1).square().sum(1) for t in tensors), tensors[0].new_zeros(())).sqrt()


def _rows(mask: Tensor, values: Tensor) -> Tensor:
    return torch.where(mask.view(-1, *(1,) * (values.dim() - 1)), values, 0)
