"""Sensitivities of units that do not mix, carried on by compiled loops.

The derivative of the step is one generated function (`engines/fused/jacobian`), made once for a
cell; what becomes of the sensitivities is a loop over time inside each unit (`loops`). Units that
mix, and other devices, take torch's operations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from ostinato.compiler.fission import Fission
from ostinato.core.errors import EngineError
from ostinato.engines.fused import ir
from ostinato.engines.fused.absorb import absorb
from ostinato.engines.fused.ir import Value
from ostinato.engines.fused.jacobian import Jacobian, Linear
from ostinato.engines.fused.layout import LowerError
from ostinato.engines.fused.lower import Core, lower
from ostinato.engines.fused.routines import REALS
from ostinato.engines.fused.toolchain import find_compiler, no_compiler
from ostinato.train.rtrl import loops
from ostinato.train.rtrl.blocks import Block
from ostinato.train.rtrl.sensitivities import Segment, Sensitivities

# Leaves that depend on each other, whose products are written out.
_LEAVES = 4
# Steps at once: S is read and written so much less often, and W of some units stays in the cache.
_STEPS = 256


@dataclass(frozen=True)
class Compiled(Sensitivities):
    """Exact sensitivities, of which some blocks are carried on by compiled loops.

    Attributes:
        fitting: the numbers of these blocks.
        jacobian: the derivative of the step.
        inputs: which leaves of the input it reads.
    """

    fitting: frozenset[int] = frozenset()
    jacobian: Jacobian = field(kw_only=True)
    inputs: tuple[int, ...] = ()

    def __str__(self) -> str:
        parts = f"{len(self.fitting)} of {len(self.blocks)} parts in "
        return f"{'' if len(self.fitting) == len(self.blocks) else parts}compiled loops over time"

    def _together(self, segment: Segment) -> int:
        return _STEPS if len(self.fitting) == len(self.blocks) else super()._together(segment)

    def _carried(
        self, blocks: Mapping[int, Block], kept: Sequence[Tensor], segment: Segment
    ) -> dict[int, Tensor]:
        others = {i: block for i, block in blocks.items() if i not in self.fitting}
        advanced = super()._carried(others, kept, segment)
        x = [segment.x[i] for i in self.inputs]
        values = self.jacobian.at(segment.carry, x, segment.fixed)
        known = {value: each.reshape(*each.shape[:2], -1) for value, each in values.items()}
        for i in self.fitting:
            advanced[i] = self._after(self.blocks[i], kept[i], known, segment)
        return advanced

    def _after(
        self, block: Block, kept: Tensor, known: Mapping[Value, Tensor], segment: Segment
    ) -> Tensor:
        """One block after a segment, with the values of `linear` (T, B, elements)."""
        linear, constant = self.jacobian.linear, self.found.found[block.entry].constant
        part = slice(block.start, block.start + block.size)
        changes = [linear.changes.get((constant, i)) for i in block.leaves]
        return loops.advance(
            kept,
            [[_at(linear.jacobian.get((i, j)), known) for j in block.leaves] for i in block.leaves],
            [None if value is None else known[value][..., part] for value in changes],
            _at(linear.operands.get(constant), known),
            segment.held,
            segment.restarted,
        )

    def _add(self, total: Tensor, number: int, kept: Tensor, errors: Sequence[Tensor]) -> None:
        if number not in self.fitting:
            super()._add(total, number, kept, errors)
            return
        own = [errors[i].contiguous() for i in self.blocks[number].leaves]
        loops.contract(total, kept, own)


def compiled(exact: Sensitivities, fission: Fission, carry: Sequence[Tensor]) -> Compiled | str:
    """The same sensitivities in compiled loops, or why there are none.

    Args:
        exact: the sensitivities.
        fission: the step, split.
        carry: an example of the state, leaves (B, ...).
    """
    reason = _unsupported(exact, fission, carry)
    if reason is not None:
        return reason
    dtype = carry[0].dtype
    try:
        core, inputs = _core(absorb(fission, dtype))
        jacobian = Jacobian(core, dtype)
    except (LowerError, EngineError) as error:
        return str(error)
    found = enumerate(exact.blocks)
    fitting = frozenset(i for i, block in found if _fits(block, exact, jacobian.linear))
    if not fitting:
        return "no constant enters as the loops take it"
    return Compiled(exact.found, exact.blocks, fitting=fitting, jacobian=jacobian, inputs=inputs)


def _unsupported(exact: Sensitivities, fission: Fission, carry: Sequence[Tensor]) -> str | None:
    """What about the cell stands in the way, before any code is generated."""
    if not any(map(_apart, exact.blocks)):
        return "the units of the state mix"
    if exact.local:
        return "gradients through products are left out"
    dtypes = {leaf.dtype for leaf in carry}
    if len(dtypes) > 1 or not dtypes <= set(REALS) or carry[0].device.type != "cpu":
        return "the state must be float32 throughout, or float64 throughout, on the CPU"
    values = (node.meta.get("val") for node in fission.kinds)
    real = {v.dtype for v in values if isinstance(v, Tensor) and v.is_floating_point()}
    if real != dtypes:
        return "the precision changes inside the step"
    return None if find_compiler() else no_compiler()


def _core(fission: Fission) -> tuple[Core, tuple[int, ...]]:
    """What leads to the new carry, and the leaves of x that it reads.

    Raises:
        LowerError: if torch has to compute a part of it.
    """
    core = replace(lower(fission), exports=())
    needed = set(ir.reachable(core.new_carry))
    used = [(v, n) for v, n in zip(core.inputs, fission.inputs, strict=True) if v in needed]
    if any(node not in fission.trace.x for _, node in used):
        raise LowerError("a part of the input is outside the language of generated code")
    places = tuple(fission.trace.x.index(node) for _, node in used)
    return replace(core, inputs=tuple(value for value, _ in used)), places


def _fits(block: Block, exact: Sensitivities, linear: Linear) -> bool:
    """Whether the loops take a block."""
    entry = exact.found.found[block.entry]
    alone = Counter(each.constant for each in exact.found.found)[entry.constant] == 1
    changes = [linear.changes.get((entry.constant, i)) for i in block.leaves]
    there = [value.size for value in changes if value is not None]
    operand = linear.operands.get(entry.constant)
    inner = 1 if operand is None else operand.size
    matched = set(there) == {entry.size} and inner == entry.inner
    return _apart(block) and alone and matched and entry.multiplies == (operand is not None)


def _apart(block: Block) -> bool:
    """Whether the units of a block do not mix."""
    return block.inside == len(block.leaves) <= _LEAVES


def _at(value: Value | None, known: Mapping[Value, Tensor]) -> Tensor | None:
    return None if value is None else known[value]
