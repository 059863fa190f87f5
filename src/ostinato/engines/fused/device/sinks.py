"""The gradients of constants on a device: sums over steps and rows, taken behind the loop.

The kernel puts out, for all steps, what the sums are made of; most of it is put out or kept
anyway. torch's own products are the fastest there, and rows need not wait for one another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ostinato.engines.fused import ir
from ostinato.engines.fused.derive import Backward, MatrixSink
from ostinato.engines.fused.ir import Value
from ostinato.engines.fused.program import Program
from ostinato.engines.fused.schedule import View, plain_view, view


def with_sinks(program: Program) -> Program:
    """The program that puts out what its sums are made of, instead of the sums."""
    results, where = dict(program.results), places(program)
    there = {*program.read.values(), *program.results.values()}
    for value in program.summed:
        root = where(value).root
        if root not in there and root.op not in ("number", "const"):
            there.add(root)
            results[f"sink_{len(results)}"] = root
    return replace(program, results=results, sums={}, outers={}, heads=frozenset())


def places(program: Program) -> Callable[[Value], View]:
    """Where a value lies: in what is read, or in what is computed."""
    given = frozenset(program.read.values())
    values = ir.reachable(program.roots, given)
    copies = frozenset(v for v in values if v.op in ir.VIEWS and not plain_view(v, given))
    return lambda value: view(value, given, copies)


class Sinks:
    """What a run of the reverse loop left behind.

    Args:
        gradient: the backward step.
        where: tells where a value lies.
        held: the tensors (T, B, ...) of what the loop read and put out.
        constants: the constants of the call.
        size: (T, B).
    """

    def __init__(
        self,
        gradient: Backward,
        where: Callable[[Value], View],
        held: dict[Value, Tensor],
        constants: list[Tensor],
        size: tuple[int, int],
    ) -> None:
        self.gradient, self.where, self.held = gradient, where, held
        self.constants, self.size = constants, size

    def of_constant(self, index: int) -> Tensor | None:
        """The gradient of a constant; None if it is zero."""
        total: Tensor | None = None
        parts = [self.of_product(s) for s in self.gradient.matrices if s.constant == index]
        if index in self.gradient.constants:
            parts.append(self._tensor(self.gradient.constants[index]).sum((0, 1)))
        for part in parts:
            total = part if total is None else total + part
        return total

    def of_product(self, sink: MatrixSink) -> Tensor:
        """The sum over steps and rows of going inᵀ · coming back."""
        entering, returning = self._tensor(sink.entering), self._tensor(sink.returning)
        if self.constants[sink.constant].dim() == 3:
            return torch.einsum("tbki,tbkj->kij", entering, returning)
        k, n = entering.shape[-1], returning.shape[-1]
        return entering.reshape(-1, k).mT @ returning.reshape(-1, n)

    def _tensor(self, value: Value) -> Tensor:
        """A value at all steps (T, B, ...)."""
        seen = self.where(value)
        if seen.root.op == "number":
            number = next(iter(self.held.values())).new_full((), seen.root.attrs)
            return number.expand(*self.size, *value.shape)
        if seen.root.op == "const":
            held = self.constants[seen.root.attrs].expand(*self.size, *seen.root.shape)
        else:
            held = self.held[seen.root]
        shape, strides = (*self.size, *value.shape), (*held.stride()[:2], *seen.strides)
        return torch.as_strided(held, shape, strides, held.storage_offset() + seen.offset)
