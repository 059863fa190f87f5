"""Exact sensitivities: S_t = ∂h_t/∂θ, carried along with the state.

    S_t = J_t S_{t−1} + I_t,    J = ∂f/∂h,    I = ∂f/∂θ

Over a segment of T steps both sums are products over all steps at once,

    S_T = Φ_0 S_0 + Σ_t Φ_{t+1} I_t,    Φ_t = J_T … J_{t+1} J_t

so that a segment costs one pass of the step, T small matrices Φ, and one product of matrices.
R. J. Williams, D. Zipser: A learning algorithm for continually running fully recurrent neural
networks, Neural Computation 1, 1989; for element-by-element cells K. Irie, A. Gopalakrishnan,
J. Schmidhuber, 2024, arXiv 2305.19044.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor, fx

from ostinato.compiler.entries import Entries, Entry
from ostinato.train.rtrl.blocks import Block, arrange

# Of states and inputs that are differentiated at once: what stays in the caches.
_NUMBERS = 2**20


@dataclass(frozen=True)
class Segment:
    """What a segment of T steps needs.

    Attributes:
        carry: the state as every step finds it, leaves (T, B, ...).
        x: the inputs, leaves (T, B, ...).
        fixed: the constants of the step.
        held: (T, B) bool, true where the state is held; None: nowhere.
        restarted: (T, B) bool, true where the state before the step is a fresh one.
    """

    carry: Sequence[Tensor]
    x: Sequence[Tensor]
    fixed: Sequence[Tensor]
    held: Tensor | None
    restarted: Tensor | None

    def parts(self, steps: int) -> Iterator[Segment]:
        """The same in parts of at most `steps` steps."""
        for begin in range(0, len(self.carry[0]), steps):
            own = slice(begin, begin + steps)
            carry, x = ([leaf[own] for leaf in each] for each in (self.carry, self.x))
            masks = (None if mask is None else mask[own] for mask in (self.held, self.restarted))
            yield Segment(carry, x, self.fixed, *masks)


@dataclass(frozen=True)
class Sensitivities:
    """How the sensitivities of a cell are kept and carried on.

    Attributes:
        found: where constants enter the step.
        blocks: what is kept.
        local: leave out what the state does through products.
    """

    found: Entries
    blocks: tuple[Block, ...]
    local: bool = False

    def shapes(self, carry: Sequence[Tensor]) -> list[tuple[int, ...]]:
        """Of what a row keeps, given the leaves of the state."""
        return [self.shape(block) for block in self.blocks]

    def shape(self, block: Block) -> tuple[int, int, int, int]:
        """(heads, K, n, D) of a block."""
        return block.heads, block.inside, block.width, self.found.found[block.entry].inner

    def owners(self) -> list[int | None]:
        """The entry that each tensor kept belongs to."""
        return [block.entry for block in self.blocks]

    def faded(self, kept: Sequence[Tensor], factor: float) -> tuple[Tensor, ...]:
        """Sensitivities times a factor."""
        return tuple(factor * s for s in kept)

    def in_order(self, part: Tensor) -> Tensor:
        """Of a block (heads, n, D) in the order of δ, (size, D)."""
        return part.flatten(0, 1)

    def advance(self, kept: Sequence[Tensor], segment: Segment) -> tuple[Tensor, ...]:
        """The sensitivities after a segment."""
        for part in segment.parts(self._together(segment)):
            kept = self._advance(kept, part)
        return tuple(kept)

    def _together(self, segment: Segment) -> int:
        """How many steps are taken at once."""
        most = max((block.inside for block in self.blocks), default=1)
        size = most * sum(leaf[0].numel() for leaf in (*segment.carry, *segment.x))
        return max(1, _NUMBERS // max(size, 1))

    def _advance(self, kept: Sequence[Tensor], segment: Segment) -> tuple[Tensor, ...]:
        advanced = self._carried(dict(enumerate(self.blocks)), kept, segment)
        return tuple(advanced[i] for i in range(len(self.blocks)))

    def _carried(
        self, blocks: Mapping[int, Block], kept: Sequence[Tensor], segment: Segment
    ) -> dict[int, Tensor]:
        """The sensitivities of some blocks after a segment, by their number."""
        advanced = dict[int, Tensor]()
        numbered = sorted(blocks.items(), key=lambda each: _passes(each[1]))
        for _, together in groupby(numbered, key=lambda each: _passes(each[1])):
            numbers, own = zip(*together, strict=True)
            j, immediate, operands = self.linear(own, segment)
            phi, weights = propagated(j, immediate)
            for number, block, w in zip(numbers, own, weights, strict=True):
                new = summed(w, operands[block.entry], block)
                advanced[number] = through(phi, kept[number]) + new
        return advanced

    def gradients(
        self, kept: Sequence[Tensor], errors: Sequence[Tensor], fixed: Sequence[Tensor]
    ) -> list[Tensor | None]:
        """Of every constant: Σ_b e_b S_b, with e (B, ...) the gradient of the state's leaves."""
        found: list[Tensor | None] = [None] * len(fixed)
        for number, entry in enumerate(self.found.found):
            total = self._contracted(number, entry, kept, errors)
            if total is not None:
                own, before = entry.gradient(total, fixed[entry.constant]), found[entry.constant]
                found[entry.constant] = own if before is None else before + own
        return found

    def _contracted(
        self, number: int, entry: Entry, kept: Sequence[Tensor], errors: Sequence[Tensor]
    ) -> Tensor | None:
        """The gradient of an entry, (size, D)."""
        total = None
        for i, (block, s) in enumerate(zip(self.blocks, kept, strict=True)):
            if block.entry == number:
                if total is None:
                    total = s.new_zeros(entry.size, entry.inner)
                self._add(total[block.start : block.start + block.size], i, s, errors)
        return total

    def _add(self, total: Tensor, number: int, kept: Tensor, errors: Sequence[Tensor]) -> None:
        """Add Σ_b e_b S_b of a block to its part of a gradient (size, D)."""
        e = arrange([errors[i] for i in self.blocks[number].leaves], kept.shape[1])
        total += self.in_order(torch.einsum("bhk,bhknd->hnd", e, kept))

    def linear(
        self, blocks: Sequence[Block], segment: Segment
    ) -> tuple[Tensor, list[Tensor], list[Tensor | None]]:
        """J (T, B, heads, K, K), I (T, B, heads, K, n) of blocks alike, and all operands."""
        first, (steps, rows) = blocks[0], segment.carry[0].shape[:2]
        j, changes, operands = differentiate(
            self.found.local if self.local else self.found.step,
            self.found.found,
            [leaf.flatten(0, 1) for leaf in segment.carry],
            [leaf.flatten(0, 1) for leaf in segment.x],
            segment.fixed,
            first,
        )
        j = _masked(j.view(steps, rows, *j.shape[1:]), segment)
        found = []
        for block in blocks:
            own = changes[block.entry][..., block.start : block.start + block.size]
            # (K, T·B, size) to (T, B, heads, K, n)
            own = own.view(block.inside, steps, rows, block.heads, block.width)
            own = own.permute(1, 2, 3, 0, 4)
            if segment.held is not None:
                own = own.masked_fill(segment.held[..., None, None, None], 0)
            found.append(own)
        shaped = [None if a is None else a.view(steps, rows, *a.shape[1:]) for a in operands]
        return j, found, shaped


def differentiate(
    step: fx.GraphModule,
    entries: Sequence[Entry],
    carry: Sequence[Tensor],
    x: Sequence[Tensor],
    fixed: Sequence[Tensor],
    block: Block,
) -> tuple[Tensor, list[Tensor], list[Tensor | None]]:
    """Differentiate the step backwards from every number of the state in a head, on R rows.

    Heads and rows do not mix, so K copies of the rows, each with another number of the state in
    every head, show all of it.

    Returns:
        J (R, heads, K, K); for every entry ∂h/∂δ (K, R, size); the operands (R, parts, D).
    """
    count, rows, copies = len(carry), len(carry[0]), block.inside
    h = [_copies(leaf, copies).requires_grad_() for leaf in carry]
    size = copies * rows
    changes = [h[0].new_zeros(size, entry.size, requires_grad=True) for entry in entries]
    with torch.enable_grad():
        results = step(*h, *(_copies(leaf, copies) for leaf in x), *fixed, *changes)
        new = arrange([results[i] for i in block.leaves], block.heads)
        chosen = new.view(copies, rows, block.heads, copies).diagonal(0, 0, 3).sum()
    own = [h[i] for i in block.leaves]
    gradients = torch.autograd.grad(chosen, [*own, *changes], allow_unused=True)
    known = [
        torch.zeros_like(leaf) if g is None else g
        for g, leaf in zip(gradients, [*own, *changes], strict=True)
    ]
    j = arrange(known[: len(own)], block.heads).view(copies, rows, block.heads, copies)
    seen = [g.view(copies, rows, -1) for g in known[len(own) :]]
    # Under autocast operands may be narrower than what is summed up of them.
    operands = [None if a is None else a.detach()[:rows].to(new.dtype) for a in results[count:]]
    return j.permute(1, 2, 0, 3), seen, operands


def _passes(block: Block) -> tuple[tuple[int, ...], int]:
    """Blocks that are alike here share what is differentiated."""
    return block.leaves, block.heads


def _copies(leaf: Tensor, count: int) -> Tensor:
    """(R, ...) count times, one after the other."""
    return leaf.detach().expand(count, *leaf.shape).reshape(count * len(leaf), *leaf.shape[1:])


def _masked(j: Tensor, segment: Segment) -> Tensor:
    """J after masks: nothing of the state before a restart, all of it where it is held."""
    if segment.restarted is not None:
        j = j.masked_fill(segment.restarted[..., None, None, None], 0)
    if segment.held is not None:
        eye = torch.eye(j.shape[-1], dtype=j.dtype, device=j.device)
        if segment.restarted is not None:
            eye = eye * ~(segment.held & segment.restarted)[..., None, None, None]
        j = torch.where(segment.held[..., None, None, None], eye, j)
    return j


def propagated(j: Tensor, immediate: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Φ over all steps (B, heads, K, K), and Φ_{t+1} I_t for each block."""
    if j.shape[-1] == 1:
        # Reversed, without its first factor: what step t becomes by the end.
        products = j.flip(0).cumprod(0).flip(0)
        after = torch.cat([products[1:], torch.ones_like(products[:1])])
        return products[0], [after * each for each in immediate]
    phi = torch.eye(j.shape[-1], dtype=j.dtype, device=j.device).expand(j.shape[1:])
    after_all = []
    for j_t in j.flip(0):
        after_all.append(phi)
        phi = phi @ j_t
    after = torch.stack(after_all[::-1])
    return phi, [after @ each for each in immediate]


def through(phi: Tensor, kept: Tensor) -> Tensor:
    """Φ S, with S (B, heads, K, n, D)."""
    if phi.shape[-1] == 1:
        return phi[..., None] * kept
    return (phi @ kept.flatten(3)).view_as(kept)


def summed(weights: Tensor, operand: Tensor | None, block: Block) -> Tensor:
    """Σ_t w_t ⊗ a_t: w (T, B, heads, K, n) and a (T, B, parts, D) to (B, heads, K, n, D)."""
    if operand is None:
        return weights.sum(0)[..., None]
    parts = operand.shape[2]
    if parts == 1:
        return torch.einsum("tbhkn,tbd->bhknd", weights, operand[:, :, 0])
    if block.heads % parts == 0:
        own = operand.repeat_interleave(block.heads // parts, 2)
        return torch.einsum("tbhkn,tbhd->bhknd", weights, own)
    own = operand.unflatten(2, (block.heads, -1))  # type: ignore[no-untyped-call]
    apart = weights.unflatten(-1, (own.shape[3], -1))  # type: ignore[no-untyped-call]
    return torch.einsum("tbhkpn,tbhpd->bhkpnd", apart, own).flatten(3, 4)
