"""One step of many rows that wait for one another, as the nodes of a graph do, level by level.

    h_n = step(x_n, Σ over edges e = (m → n) of w_e h_m)

Rows of a level are one batch of the generated code, which a compiled loop calls for every level.
What needs no state is computed for all rows at once, before the first level and behind the last.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ostinato.engines.fused.evaluate import Plan, Ready, core_step
from ostinato.engines.fused.kernel import Kernel, Port
from ostinato.engines.fused.routines import REALS
from ostinato.engines.fused.toolchain import load


@dataclass(frozen=True)
class Levels:
    """Rows in the order of their levels, and the edges between them.

    Attributes:
        borders: (L + 1,) int64, where each level begins, N last.
        edges: (2, E) int64, sources over targets.
        weights: (E,) of the sums.
    """

    borders: Tensor
    edges: Tensor
    weights: Tensor

    def of_targets(self, dtype: torch.dtype) -> tuple[Tensor, ...]:
        """Where the edges of each row begin (N + 1,), their sources, and weights."""
        return self._sorted(1, dtype)

    def of_sources(self, dtype: torch.dtype) -> tuple[Tensor, ...]:
        """The same of the edges that leave each row, and their targets."""
        return self._sorted(0, dtype)

    def _sorted(self, end: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
        order = self.edges[end].argsort(stable=True)
        counts = self.edges[end].bincount(minlength=int(self.borders[-1]))
        first = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return first, self.edges[1 - end][order].contiguous(), self.weights[order].to(dtype)

    def sums(self, leaf: Tensor, begin: int, end: int, found: list[Tensor]) -> Tensor:
        """Of one level in torch's operations: what rows of the first keep, or weighted sums."""
        into = (self.edges[1] >= begin) & (self.edges[1] < end)
        source, target = self.edges[:, into]
        if not len(source):
            return leaf[begin:end]
        shape = (-1, *(1,) * (leaf.dim() - 1))
        sent = torch.cat(found)[source] * self.weights[into].to(leaf.dtype).view(shape)
        return sent.new_zeros(end - begin, *leaf.shape[1:]).index_add(0, target - begin, sent)


class LevelKernel(Kernel):
    """A compiled core that is called level by level; its one step has all rows.

    Args:
        kernel: the core.
        levels: the rows and edges.
    """

    def __init__(self, kernel: Kernel, levels: Levels) -> None:
        # A kernel of one call shares all that was compiled with the one that it stands for.
        self.__dict__ |= kernel.__dict__
        self.levels = levels

    def _call(self, name: str, ports: dict[str, Port], steps: int, rows: int, split: Any) -> None:
        levels, downwards = self.levels, name == "backward"
        leaves = self._summed(ports, rows) if downwards else self._carried(name, ports)
        ports |= {port: Port(leaf.sum, 0, leaf.size) for port, leaf in leaves.items()}
        table = (levels.of_sources if downwards else levels.of_targets)(self.dtype)
        edges = (ctypes.c_void_p * len(table))(*(each.data_ptr() for each in table))
        _library(self.dtype)(
            *(self._alone[name], *self._given(name, ports | split(0))),
            *(levels.borders.data_ptr(), len(levels.borders) - 1),
            *(edges, (_Leaf * len(leaves))(*leaves.values()), len(leaves), downwards),
        )

    def _carried(self, name: str, ports: dict[str, Port]) -> dict[str, _Leaf]:
        """Leaves of the state, by the ports that read them; sums go where they begin."""
        carried, found = list(self.programs[name].carried), {}
        for i, leaf in enumerate(self.core.carry):
            inside = leaf in carried
            before = f"first_{carried.index(leaf)}" if inside else f"before_{i}"
            after = f"last_{carried.index(leaf)}" if inside else f"carry_{i}"
            own = ports[before].address
            found[before] = _Leaf(own, own, ports[after].address, leaf.size)
        return found

    def _summed(self, ports: dict[str, Port], rows: int) -> dict[str, _Leaf]:
        """Their gradients, whose sums are not to be written where the caller's lie."""
        # Held by the kernel of this call, so that it outlives the loop.
        self._sums_of = [self.room((rows, leaf.size)) for leaf in self.core.carry]
        return {
            f"first_{i}": _Leaf(
                ports[f"first_{i}"].address,
                room.data_ptr(),
                ports[f"last_{i}"].address,
                leaf.size,
            )
            for i, (leaf, room) in enumerate(zip(self.core.carry, self._sums_of, strict=True))
        }


class OverLevels(Ready):
    """A plan with the constants of one call, whose rows wait for one another.

    Args:
        plan: of the step, for the CPU.
        levels: the rows and edges.
    """

    def __init__(self, plan: Plan, levels: Levels) -> None:
        assert isinstance(plan.kernel, Kernel)
        super().__init__(replace(plan, kernel=LevelKernel(plan.kernel, levels)), False)
        self.levels = levels

    def core(self, rows: int) -> Any:
        """The core of all levels in torch operations, for second derivatives."""
        borders = self.levels.borders.tolist()

        def step(carry: list[Tensor], inputs: list[Tensor], constants: list[Tensor]) -> Any:
            states, exports = list[list[Tensor]](), list[list[Tensor]]()
            for begin, end in pairwise(borders):
                found = zip(*states, strict=True) if states else [()] * len(carry)
                before = [
                    self.levels.sums(leaf, begin, end, list(each))
                    for leaf, each in zip(carry, found, strict=True)
                ]
                here = [each[begin:end] for each in inputs]
                new, put_out = core_step(self.plan, end - begin)(before, here, constants)
                states.append(new)
                exports.append(put_out)
            return _joined(states), _joined(exports)

        return step


def _joined(levels: list[list[Tensor]]) -> list[Tensor]:
    return [torch.cat(each) for each in zip(*levels, strict=True)]


class _Leaf(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("own", "sum", "found")),
        ("size", ctypes.c_int64),
    )


@cache
def _library(dtype: torch.dtype) -> Callable[..., None]:
    text = Path(__file__).with_name("levels.cpp").read_text(encoding="utf-8")
    function = load(f"typedef {REALS[dtype]} real;\n{text}").levels
    pointer, integer = ctypes.c_void_p, ctypes.c_int64
    function.argtypes = (
        *(pointer, pointer, pointer, pointer, integer),
        *(pointer, pointer, integer, integer),
    )
    function.restype = None
    return function
