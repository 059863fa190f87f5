"""The derivative of a core whose elements do not depend on one another, as one generated function.

    J_ij = ∂h_i/∂h⁻_j,    I_ci = ∂h_i/∂c

for the leaves h_i of the new carry, h⁻_j of the old one, and the constants c: of a vector by
itself, of a matrix by a change δ of its product, a W + δ. As no element depends on another, the
cotangents of all elements of a leaf are found together, where that of the leaf is 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ostinato.engines.fused import ir
from ostinato.engines.fused.derive import derive
from ostinato.engines.fused.fold import fold
from ostinato.engines.fused.gradient import rows_contiguous
from ostinato.engines.fused.ir import Value
from ostinato.engines.fused.kernel import Constants, Functions, Port
from ostinato.engines.fused.layout import LowerError
from ostinato.engines.fused.lower import Core
from ostinato.engines.fused.program import Program
from ostinato.engines.fused.programs import with_constants

_NAME = "jacobian"


@dataclass(frozen=True)
class Linear:
    """A core near a carry; what is left out is zero.

    Attributes:
        jacobian: by new and old leaf.
        changes: by constant and new leaf.
        operands: by constant, what a matrix is multiplied with.
    """

    jacobian: dict[tuple[int, int], Value] = field(default_factory=dict)
    changes: dict[tuple[int, int], Value] = field(default_factory=dict)
    operands: dict[int, Value] = field(default_factory=dict)

    @property
    def values(self) -> list[Value]:
        """All of them."""
        return [*self.jacobian.values(), *self.changes.values(), *self.operands.values()]


def linear(core: Core) -> Linear:
    """Differentiate a core by its carry and its constants.

    Raises:
        LowerError: if a matrix is multiplied more than once, so that changes have no one name.
    """
    found = Linear()
    for i, new in enumerate(core.new_carry):
        back = derive(replace(core, new_carry=(new,), exports=()))
        for j, value in enumerate(back.carry):
            if not _zero(value):
                found.jacobian[i, j] = value
        for constant, value in back.constants.items():
            found.changes[constant, i] = value
        for sink in back.matrices:
            if (sink.constant, i) in found.changes:
                raise LowerError("a matrix is multiplied with more than one value of a row")
            found.changes[sink.constant, i] = sink.returning
            if found.operands.setdefault(sink.constant, sink.entering) is not sink.entering:
                raise LowerError("a matrix is multiplied with more than one value of a row")
    return found


class Jacobian(Functions):
    """Evaluates `linear` of a core, at all steps and rows.

    Args:
        core: the core.
        dtype: float32 or float64.

    Raises:
        LowerError: as `linear`.
        EngineError: if it cannot be compiled.
    """

    def __init__(self, core: Core, dtype: torch.dtype) -> None:
        core = fold(core)
        self.linear = linear(core)
        inputs = [value for value in self.linear.values if value in core.inputs]
        results = dict.fromkeys(value for value in self.linear.values if value not in inputs)
        self.results = {value: f"result_{i}" for i, value in enumerate(results)}
        super().__init__(core, [_program(core, self.results)], dtype)
        self._ones = {
            port: torch.ones(value.shape, dtype=dtype)
            for port, value in self.programs[_NAME].constants.items()
            if value.op == "grad_carry"
        }

    def at(
        self, carry: Sequence[Tensor], inputs: Sequence[Tensor], constants: Sequence[Tensor]
    ) -> dict[Value, Tensor]:
        """The values of `linear` (T, B, ...), rows contiguous.

        Args:
            carry: as every step finds it, leaves (T, B, ...).
            inputs: of all steps, leaves (T, B, ...).
            constants: of the core.
        """
        steps, rows = carry[0].shape[:2]
        leaves = (*self.core.carry, *self.core.inputs)
        given = (rows_contiguous(each.to(self.dtype)) for each in (*carry, *inputs))
        known = dict(zip(leaves, given, strict=True))
        known |= {value: self.room((steps, rows, *value.shape)) for value in self.results}
        ports = {port: Port(each.data_ptr()) for port, each in self._ones.items()}
        seen = self.programs[_NAME].read | {name: value for value, name in self.results.items()}
        ports |= {port: self.sequence(known[value], False) for port, value in seen.items()}
        fixed = [each.to(self.dtype) for each in constants]
        self.run(_NAME, ports, Constants(self, fixed), steps, rows)
        return known


def _program(core: Core, results: dict[Value, str]) -> Program:
    read = {f"before_{i}": leaf for i, leaf in enumerate(core.carry)}
    read |= {f"input_{i}": leaf for i, leaf in enumerate(core.inputs)}
    program = Program(_NAME, results={name: value for value, name in results.items()})
    needed = ir.reachable(program.roots)
    read = {port: leaf for port, leaf in read.items() if leaf in needed}
    program = with_constants(core, replace(program, read=read))
    ones = [value for value in needed if value.op == "grad_carry"]
    named = {f"one_{i}": value for i, value in enumerate(ones)}
    return replace(program, constants=program.constants | named)


def _zero(value: Value) -> bool:
    repeated = ir.repeated(value)
    return repeated is not None and ir.is_number(repeated, 0)
