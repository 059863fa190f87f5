"""A program cut along its loop: before a block of steps, step by step, after the block.

A product that does not wait for the state is computed for a block of steps at once, which uses
every weight often; so is one that the state does not wait for. The block is short enough for
its values to stay in the cache. All other values are computed in the loop.
"""

from __future__ import annotations

from dataclasses import dataclass

from ostinato.engines.fused import ir
from ostinato.engines.fused.ir import Value
from ostinato.engines.fused.program import Program
from ostinato.engines.fused.schedule import Schedule, plain_view, schedule, view

BEFORE, LOOP, AFTER = "before", "loop", "after"


@dataclass(frozen=True)
class Phase:
    """The part of a program that runs at one time.

    Attributes:
        name: before, loop or after.
        schedule: its stages.
        known: values that lie in memory when it begins.
    """

    name: str
    schedule: Schedule
    known: frozenset[Value]


@dataclass(frozen=True)
class Phases:
    """A program, cut.

    Attributes:
        phases: before, loop and after.
        computed: the phase of every value that is computed, in the order of computation.
        kept: values of one phase that another reads: they are stored for a block of steps.
        copied: leaves of the carried state that the phase after the loop reads.
        ends: values that nothing is computed from.
        copies: rearrangements that have memory of their own.
        given: values that are read from ports.
    """

    phases: tuple[Phase, Phase, Phase]
    computed: dict[Value, str]
    kept: frozenset[Value]
    copied: frozenset[Value]
    ends: frozenset[Value]
    copies: frozenset[Value]
    given: frozenset[Value]

    def root(self, value: Value) -> Value:
        """What lies in memory where a value does."""
        return view(value, self.given, self.copies).root

    def crossing(self, phase: Phase) -> set[Value]:
        """What a phase reads or writes that lies in memory when it begins, or stays there."""
        values = [value for stage in phase.schedule.stages for value in stage.values]
        roots = {self.root(arg) for value in values for arg in value.args}
        return roots | {value for value in values if value in phase.schedule.stored}


def cut(program: Program) -> Phases:
    """Cut a program into its phases."""
    given = frozenset(program.read.values())
    values = ir.reachable(program.roots, given)
    of = _assign(program, values, given)
    computed = {
        v: of[v]
        for v in values
        if v not in given and v.op not in ir.LEAVES and not plain_view(v, given)
    }
    copies = frozenset(v for v in computed if v.op in ir.VIEWS)

    def root(value: Value) -> Value:
        return view(value, given, copies).root

    kept = {root(value) for value in program.summed}
    late, used = set(kept), set(kept)
    for value, phase in computed.items():
        sources = {root(arg) for arg in value.args}
        used |= sources
        kept |= {source for source in sources if of.get(source) != phase}
        late |= sources if phase == AFTER else set()
    results = {root(value) for value in (*program.results.values(), *program.carried.values())}
    # A port holds what is put out there for all steps; the rest must last until the loop.
    kept |= {value for value in results - set(program.results.values()) if of[value] == BEFORE}
    phases, known = [], given
    for name in (BEFORE, LOOP, AFTER):
        wanted = [v for v in program.roots if of[v] == name]
        wanted += [v for v in computed if v in kept and of[v] == name]
        phases.append(Phase(name, schedule(wanted, known), known))
        known |= {value for value in kept if computed.get(value) == name}
    before, loop, after = phases
    return Phases(
        phases=(before, loop, after),
        computed=computed,
        kept=frozenset(kept & set(computed)),
        copied=frozenset(late & set(program.carried)),
        ends=frozenset(set(computed) - used),
        copies=copies,
        given=given,
    )


def _assign(program: Program, values: list[Value], given: frozenset[Value]) -> dict[Value, str]:
    """The phase of every value."""
    moving: set[Value] = {*program.carried, *program.advancing}
    for value in values:
        if value not in given and any(arg in moving for arg in value.args):
            moving.add(value)
    feeding = set(ir.reachable([*program.carried.values(), *program.advancing.values()], given))
    products = [v for v in values if v.op == "matmul" and v not in given]
    before = set(ir.reachable([v for v in products if v in feeding - moving], given))
    after = {v for v in products if v not in feeding}
    for value in values:
        if value not in given and any(arg in after for arg in value.args):
            after.add(value)
    return {v: BEFORE if v in before else AFTER if v in after else LOOP for v in values}
