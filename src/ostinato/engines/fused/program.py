"""One step of one direction of a core, and what flows through its border."""

from __future__ import annotations

from dataclasses import dataclass, field

from ostinato.engines.fused import ir
from ostinato.engines.fused.ir import Value


@dataclass(frozen=True)
class Program:
    """What a generated function computes.

    Attributes:
        name: of the C function.
        carried: leaves of the state of the loop, each with its value after the step; they live
            inside the function.
        advancing: leaves that the loop reads from a port, each with the value that becomes it
            in the next step: both ports show the same memory, one step apart.
        results: values put out at every step, by port.
        read: leaves and saved values that are read from a port at every step, by port.
        constants: leaves that are the same at every step, by port.
        sums: values summed over steps and rows, by port.
        outers: pairs (..., k), (..., n) whose products (k, n) are summed over steps and rows,
            by port.
        heads: ports of outers (K, k), (K, n) that keep a product for each of K heads.
    """

    name: str
    carried: dict[Value, Value] = field(default_factory=dict)
    advancing: dict[Value, Value] = field(default_factory=dict)
    results: dict[str, Value] = field(default_factory=dict)
    read: dict[str, Value] = field(default_factory=dict)
    constants: dict[str, Value] = field(default_factory=dict)
    sums: dict[str, Value] = field(default_factory=dict)
    outers: dict[str, tuple[Value, Value]] = field(default_factory=dict)
    heads: frozenset[str] = frozenset()

    @property
    def ports(self) -> list[str]:
        """All ports, in the order in which a caller passes them."""
        loops = [f"{side}_{i}" for i in range(len(self.carried)) for side in ("first", "last")]
        sequences = [*self.results, *self.read]
        return [*sequences, *self.constants, *self.sums, *self.outers, *loops]

    @property
    def summed(self) -> list[Value]:
        """All that is summed up once a block of steps is done."""
        return [*self.sums.values(), *(part for pair in self.outers.values() for part in pair)]

    @property
    def roots(self) -> list[Value]:
        """All that has to be computed."""
        return [
            *self.results.values(),
            *self.carried.values(),
            *self.advancing.values(),
            *self.summed,
        ]

    @property
    def made(self) -> list[Value]:
        """All that is computed, with the constants, in the order of computation."""
        given = frozenset(self.read.values())
        return [value for value in ir.reachable(self.roots, given) if value not in given]


def packed(matrix: Value, transposed: bool) -> str:
    """The port of a constant matrix, packed for products one way or the other."""
    return f"packed_{'t' if transposed else 'n'}{matrix.attrs}"
