"""A Triton kernel for the parts of a recurrence in one pass: each looks back for its first state.

A program joins the steps of its part to one, publishes that, and goes back over the parts before
until it finds one whose last state is known; then it publishes its own and runs its steps, which
the cache still holds. Merrill & Garland, "Single-pass parallel prefix scan with decoupled
look-back", NVIDIA 2016. Programs number themselves when they begin, so that each waits only for
those that began before; that these go on meanwhile is taken for granted.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property

from ostinato.engines.parallel.device.source import HEAD as HEAD_OF_SCANS
from ostinato.engines.parallel.device.source import Scan

HEAD = f"{HEAD_OF_SCANS}from ostinato.engines.parallel.device.published import awaited, publish\n"
# What the flag of a part says; 0: nothing yet.
JOINED, SOLVED = 1, 2


@dataclass(frozen=True)
class LookBack:
    """What a kernel computes; a cut, behind which nothing of a product holds, it does not know.

    Attributes:
        scan: the pass that puts out states.
    """

    scan: Scan

    @property
    def name(self) -> str:
        """Of the function."""
        return "look_back"

    @property
    def ends(self) -> list[str]:
        """Ports with one step for each part; of `state`, one before the first, too."""
        return ["product", "last", "state"]

    @property
    def ports(self) -> list[str]:
        """All that point to numbers."""
        return ["a"] * self.scan.constant + [*self.scan.read, *self.scan.written, *self.ends]

    @property
    def arguments(self) -> list[str]:
        """Of the function, but for N, how many lanes a program takes."""
        ports = self.scan.ports
        told = [each for port in self.ports for each in ports.arguments(port)]
        return [*told, "tickets", "flags", "parts", "T", "C", *ports.sizes]

    @cached_property
    def text(self) -> str:
        """The function."""
        head = f"@triton.jit\ndef {self.name}({', '.join(self.arguments)}, N: tl.constexpr):"
        joining = replace(self.scan, summary=True, gradient=False)
        lines = [
            *self._begin(),
            *(f"{port}_first = {port}" for port in joining.read),
            *joining.loop(),
            *(f"{port} = {port}_first" for port in joining.read),
            *joining.end(),
            f"publish(flag, {JOINED})",
            *self._look_back(),
            *self.scan.algebra.copied("x", "start", 1),
            *self.scan.loop(),
        ]
        return "\n    ".join([head, *lines]) + "\n"

    def _begin(self) -> list[str]:
        scan, ports = self.scan, self.scan.ports
        lines = [
            *ports.find_lanes(),
            "part = tl.atomic_add(tickets + tl.program_id(0), 1)",
            # Of the state before the first part, which is known, there is a flag, too.
            "flag = flags + tl.program_id(0) * (parts + 1) + part + 1",
            "first = part * C",
            "count = tl.minimum(C, T - first)",
        ]
        lines += [ports.begin(port, "part.to(tl.int64)") for port in self.ends]
        steps = ["a"] * scan.constant + [*scan.read, *scan.written]
        lines += [ports.begin(port, "first.to(tl.int64)") for port in steps]
        return [*lines, *scan.constants(), *scan.nothing()]

    def _look_back(self) -> list[str]:
        """The state before the part, `start`, and what becomes of it."""
        algebra, ports = self.scan.algebra, self.scan.ports
        zero = f"tl.zeros((N,), tl.{self.scan.real})"
        further = [
            *(f"{port} -= {port}_time" for port in self.ends),
            *_named(ports.load("product", "q", fresh=True)),
            *_named(ports.load("last", "y", fresh=True)),
            *algebra.apply("z", "between", "y", "reached"),
            *algebra.copied("reached", "z", 1),
            *algebra.compose("w", "between", "q"),
            *algebra.copied("between", "w", 2),
            "seen -= 1",
            "said = awaited(seen)",
        ]
        return [
            *algebra.identity("between", zero),
            *algebra.filled("reached", 1, zero),
            "own = state + state_time",
            "seen = flag - 1",
            "said = awaited(seen)",
            f"while said == {JOINED}:",
            *(f"    {line}" for line in further),
            *_named(ports.load("state", "y", fresh=True)),
            *algebra.apply("start", "between", "y", "reached"),
            *algebra.apply("z", "p", "start", "x"),
            "state = own",
            *ports.store("state", "z"),
            f"publish(flag, {SOLVED})",
        ]


def allowed(device: str) -> bool:
    """Whether programs may wait for one another, which none has done on a device yet.

    Args:
        device: the kind.
    """
    from ostinato.engines.fused.device.persistent import together

    return os.environ.get("OSTINATO_PERSISTENT") == "1" and together(device)


def _named(texts: dict[str, str]) -> list[str]:
    return [f"{name} = {text}" for name, text in texts.items()]
