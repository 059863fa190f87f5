"""The text of a core and its Jacobian, where no element of the state depends on another's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ostinato.engines.fused import ir
from ostinato.engines.fused.derive import derive
from ostinato.engines.fused.device.blocks import Block
from ostinato.engines.fused.device.body import Body
from ostinato.engines.fused.ir import Value
from ostinato.engines.fused.lower import Core
from ostinato.engines.fused.program import Program


class LinearBody(Body):
    """Writes f and J of a core on blocks `before_i`, elements side by side.

    Inputs are read in the type that they have, and computed with in that of the numbers.

    Row i of J is the cotangent of the carry where that of leaf i is 1: as no element depends on
    another, all elements of it are found together.

    Args:
        core: the core; the leaves of its carry have one size.
        real: the type of numbers.
        transposed: write J transposed, and no f.
    """

    def __init__(self, core: Core, real: str, transposed: bool) -> None:
        self.core = core
        results = {} if transposed else {f"f_{i}": new for i, new in enumerate(core.new_carry)}
        for i, new in enumerate(core.new_carry):
            row = derive(replace(core, new_carry=(new,), exports=())).carry
            for j, value in enumerate(row):
                results[f"a_{j}_{i}" if transposed else f"a_{i}_{j}"] = value
        used = set(ir.reachable(results.values()))
        program = Program(
            name="linear",
            results=results,
            read={f"input_{v.attrs}": v for v in core.inputs if v in used},
            constants={f"const_{v.attrs}": v for v in core.constants if v in used},
        )
        super().__init__(program, {}, real, "ieee", core.carry[0].size, {})

    def _load(
        self, root: Value, offset: int, sizes: Sequence[int], strides: tuple[int, ...]
    ) -> Block:
        block = super()._load(root, offset, sizes, strides)
        if root in self.given:
            self.loads[block.name] += f".to({self.real})"
        return block

    def _write(self) -> None:
        for i, leaf in enumerate(self.core.carry):
            self._blocks[leaf] = Block(f"before_{i}", wide=leaf.size > 1)
        self.early.append(f"one = tl.full((1, 1), 1, {self.real})")
        for value in self.order:
            if value.op == "grad_carry":
                self._blocks[value] = Block("one", rows=False, wide=False)
            elif value not in self.given and value.op not in ir.LEAVES:
                self._compute(value)
        for name, value in self.program.results.items():
            block = self._full(self.operand(value, value.shape), value.size)
            self.lines.append(f"{name} = {block}")
