"""How many numbers a step holds at once, and what it computes and moves."""

from __future__ import annotations

from dataclasses import dataclass

from ostinato.engines.fused import ir
from ostinato.engines.fused.device.blocks import power_of_two
from ostinato.engines.fused.ir import Value
from ostinato.engines.fused.program import Program

# Operations of a function, counted as additions.
_FUNCTION = 8


@dataclass(frozen=True)
class Pressure:
    """Of one row and one step.

    Attributes:
        live: elements that are held at once, padded to powers of two.
        pointwise: operations, a function being several.
        multiplied: multiplications in products.
        moved: elements that are read and put out.
    """

    live: int
    pointwise: int
    multiplied: int
    moved: int


def pressure(program: Program) -> Pressure:
    """Count what a program asks for, in the order in which it is computed."""
    states = program.carried | program.advancing
    given = frozenset(program.read.values()) - set(states)
    order = ir.reachable([*program.results.values(), *states.values()], given)
    made = [v for v in order if v not in given and v.op not in ir.LEAVES]
    return Pressure(
        live=_live(made, given, states),
        pointwise=sum(_operations(value) for value in made),
        multiplied=sum(v.size * v.args[0].shape[-1] for v in made if v.op == "matmul"),
        moved=sum(v.size for v in (*program.read.values(), *program.results.values())),
    )


def _live(made: list[Value], given: frozenset[Value], states: dict[Value, Value]) -> int:
    """Ports are read when a step begins, and the new state is there when it ends."""
    end = len(made)
    begins = dict.fromkeys([*given, *states], 0) | {
        value: i for i, value in enumerate(made) if _seen(value, given) is value
    }
    ends = begins | {
        _seen(arg, given): i
        for i, value in enumerate(made)
        for arg in value.args
        if _seen(arg, given) in begins
    }
    ends |= {_seen(v, given): end for v in states.values() if _seen(v, given) in begins}
    change = [0] * (end + 2)
    for value, begin in begins.items():
        change[begin] += power_of_two(value.size)
        change[ends[value] + 1] -= power_of_two(value.size)
    most = now = 0
    for each in change:
        now += each
        most = max(most, now)
    return most


def _seen(value: Value, given: frozenset[Value]) -> Value:
    """What a rearrangement shows."""
    while value.op in ir.VIEWS and value not in given:
        value = value.args[0]
    return value


def _operations(value: Value) -> int:
    if value.op in ir.REDUCTIONS:
        return value.args[0].size
    if value.op not in ir.POINTWISE:
        return 0
    return value.size * (_FUNCTION if value.op in ir.FUNCTIONS else 1)
