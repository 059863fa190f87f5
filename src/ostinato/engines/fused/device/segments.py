"""A step divided at its products: what torch multiplies, and the kernels between them.

The products of a level wait for those of the level before; what lies between two levels is one
segment. A value is computed in the first segment that needs it, so that as little as possible
waits in memory for another one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

from ostinato.engines.fused import ir
from ostinato.engines.fused.device.blocks import is_whole, place
from ostinato.engines.fused.ir import Value
from ostinato.engines.fused.program import Program
from ostinato.engines.fused.schedule import View, plain_view


@dataclass(frozen=True)
class Division:
    """The stages of a step, and where values lie that one hands to another.

    Attributes:
        stages: programs without a state, and products, in the order of execution.
        ports: the port where a value lies, of what is read, multiplied or handed on.
        sequences: ports of all steps, with their values.
        kept: ports that only the stages of one step know, with their values.
        states: leaves that the loop carries; `state_i` is the port of one before the step,
            `next_i` after it.
        where: tells where a value lies.
    """

    stages: tuple[Program | Value, ...]
    ports: dict[Value, str]
    sequences: dict[str, Value]
    kept: dict[str, Value]
    states: tuple[Value, ...]
    where: Callable[[Value], View]

    @property
    def programs(self) -> list[Program]:
        """The stages that are no products."""
        return [stage for stage in self.stages if isinstance(stage, Program)]

    @property
    def products(self) -> list[Value]:
        """The stages that are."""
        return [stage for stage in self.stages if isinstance(stage, Value)]


def divide(program: Program) -> Division:
    """The stages of a program.

    Args:
        program: what is computed, without sums.
    """
    return _Divider(program).division()


class _Divider:
    def __init__(self, program: Program) -> None:
        states = {f"state_{i}": leaf for i, leaf in enumerate(program.carried)}
        following = {f"next_{i}": value for i, value in enumerate(program.carried.values())}
        self.program = program
        self.read, self.results = program.read | states, program.results | following
        self.given = frozenset(self.read.values())
        values = ir.reachable(self.results.values(), self.given)
        copies = {v for v in values if v.op in ir.VIEWS and not plain_view(v, self.given)}
        self.where = partial(place, given=self.given, copies=frozenset(copies))
        self.made = [v for v in values if self._computed(v) and self.where(v).root is v]

    def division(self) -> Division:
        stages: list[Program | Value] = []
        for level in range(self.last + 1):
            stages += self._segment(level)
            stages += [v for v in self.products if self.levels[v] == level]
        shown = {*self.read, *self.results}
        return Division(
            stages=tuple(stages),
            ports=self.ports,
            sequences=self.program.read | self.program.results,
            kept={port: value for value, port in self.ports.items() if port not in shown},
            states=tuple(self.program.carried),
            where=self.where,
        )

    def _computed(self, value: Value) -> bool:
        return value not in self.given and value.op not in ir.LEAVES

    def _uses(self, value: Value) -> set[Value]:
        """What was computed and is read by an operation."""
        roots = {self.where(arg).root for arg in value.args}
        return {root for root in roots if self._computed(root)}

    @property
    def products(self) -> list[Value]:
        return [value for value in self.made if value.op == "matmul"]

    @cached_property
    def levels(self) -> dict[Value, int]:
        """How many products one after another a value waits for."""
        levels: dict[Value, int] = {}
        for value in self.made:
            before = self._uses(value)
            levels[value] = max((levels[v] + (v.op == "matmul") for v in before), default=0)
        return levels

    @cached_property
    def last(self) -> int:
        """The last segment."""
        copied = [
            self.levels[root] + 1
            for port, value in self.results.items()
            if (root := self.where(value).root).op == "matmul"
            and self._computed(root)
            and self.ports[root] != port
        ]
        return max([*self.levels.values(), *copied], default=0)

    @cached_property
    def segments(self) -> dict[Value, int]:
        """The first segment that needs a value; of a product the one that it follows."""
        segments = dict.fromkeys(self.made, self.last)
        for value in reversed(self.made):
            if value.op == "matmul":
                segments[value] = self.levels[value]
            for used in self._uses(value):
                if used.op != "matmul":
                    segments[used] = min(segments[used], segments[value])
        return segments

    @cached_property
    def ports(self) -> dict[Value, str]:
        """The port of what lies in memory; what is put out anyway lies there."""
        ports = {value: port for port, value in self.read.items()}
        for port, value in self.results.items():
            seen = self.where(value)
            if self._computed(seen.root) and is_whole(seen):
                ports.setdefault(seen.root, port)
        for value in self.products:
            ports.setdefault(value, f"kept_{len(ports)}")
        return ports

    def _segment(self, level: int) -> list[Program]:
        """The program of a segment, if it has anything to do."""
        put = {p: v for p, v in self.results.items() if self._writer(p, v) == level}
        for value in self._handed_on(level):
            if value not in self.ports:
                self.ports[value] = f"kept_{len(self.ports)}"
                put[self.ports[value]] = value
        if not put:
            return []
        there = self.given.union(v for v in self.made if self._is_there(v, level))
        reached = ir.reachable(put.values(), there)
        read = {self.ports[value]: value for value in reached if value in there}
        constants = {f"const_{v.attrs}": v for v in reached if v.op == "const"}
        program = Program(f"{self.program.name}_{level}", results=put, read=read)
        return [replace(program, constants=constants)]

    def _writer(self, port: str, value: Value) -> int | None:
        """The segment that writes a result; None if a product does."""
        root = self.where(value).root
        if not self._computed(root):
            return self.last
        if root.op == "matmul":
            return None if self.ports[root] == port else self.last
        return self.segments[root]

    def _handed_on(self, level: int) -> list[Value]:
        """What a segment computes and another stage reads."""
        read = [
            used
            for value in self.made
            if value.op == "matmul" or self.segments[value] > level
            for used in self._uses(value)
            if used.op != "matmul" and self.segments[used] == level
        ]
        return list(dict.fromkeys(read))

    def _is_there(self, value: Value, level: int) -> bool:
        """Whether a value lies in memory before a segment."""
        return value in self.ports and self.segments[value] < level
