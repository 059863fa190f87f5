"""The programs of a core: forward alone, forward for training, backward."""

from __future__ import annotations

from dataclasses import replace

from ostinato.engines.fused import ir
from ostinato.engines.fused.derive import Backward
from ostinato.engines.fused.lower import Core
from ostinato.engines.fused.program import Program


def with_constants(core: Core, program: Program) -> Program:
    """The program with the constants that it reads as they are; matrices are read packed."""
    given = frozenset(program.read.values())
    direct = {*program.roots} | {
        arg
        for value in ir.reachable(program.roots, given)
        for arg in (value.args[::2] if value.op == "matmul" else value.args)
    }
    named = {f"const_{i}": value for i, value in enumerate(core.constants) if value in direct}
    return replace(program, constants=named)


def forward_program(core: Core, backward: Backward, name: str, saving: bool) -> Program:
    """The forward step; for training it also puts out the values that backward reads.

    A carry that is put out, or that backward needs, is kept for all steps in a trajectory.
    """
    inside: dict[ir.Value, ir.Value] = {}
    advancing: dict[ir.Value, ir.Value] = {}
    results, read = {}, {f"input_{i}": value for i, value in enumerate(core.inputs)}
    for i, (leaf, value) in enumerate(zip(core.carry, core.new_carry, strict=True)):
        if saving or leaf in core.exports or value in core.exports:
            results[f"carry_{i}"] = advancing[leaf] = value
            read[f"before_{i}"] = leaf
        else:
            inside[leaf] = value
    results |= {f"export_{i}": v for i, v in enumerate(core.exports) if not is_carry(core, v)}
    if saving:
        results |= {f"saved_{i}": value for i, value in enumerate(backward.saved)}
    program = Program(name, carried=inside, advancing=advancing, results=results, read=read)
    return with_constants(core, program)


def backward_program(core: Core, backward: Backward) -> Program:
    """The step of the reverse loop."""
    read = {f"input_{i}": value for i, value in enumerate(core.inputs)}
    read |= {f"saved_{i}": value for i, value in enumerate(backward.saved)}
    read |= {f"before_{i}": leaf for i, leaf in enumerate(core.carry)}
    read |= {f"grad_export_{i}": leaf for i, leaf in enumerate(backward.grad_exports)}
    results = {f"grad_input_{i}": v for i, v in enumerate(backward.inputs) if v is not None}
    outers = {f"outer_{i}": (s.entering, s.returning) for i, s in enumerate(backward.matrices)}
    program = Program(
        name="backward",
        carried=dict(zip(backward.grad_carry, backward.carry, strict=True)),
        results=_distinct(results),
        sums={f"sum_{i}": value for i, value in backward.constants.items()},
        outers=outers,
        heads=frozenset(
            f"outer_{i}"
            for i, sink in enumerate(backward.matrices)
            if len(core.constants[sink.constant].shape) == 3
        ),
    )
    needed = set(ir.reachable(program.roots, frozenset(read.values())))
    read = {port: value for port, value in read.items() if value in needed}
    return with_constants(core, replace(program, read=read))


def _distinct(results: dict[str, ir.Value]) -> dict[str, ir.Value]:
    """One port for each value: equal results are put out once."""
    return {port: value for value, port in {v: p for p, v in reversed(results.items())}.items()}


def port_of(results: dict[str, ir.Value], value: ir.Value) -> str:
    """The port that holds a result."""
    return next(port for port, found in results.items() if found is value)


def is_carry(core: Core, value: ir.Value) -> bool:
    """Whether an export is a carry, whose trajectory is kept anyway."""
    return value in core.new_carry or value in core.carry
