"""A compiled core: its programs, their call, and its gradient."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ostinato.engines.fused import ir
from ostinato.engines.fused.cpp import source
from ostinato.engines.fused.derive import Backward, derive
from ostinato.engines.fused.fold import fold
from ostinato.engines.fused.lower import Core
from ostinato.engines.fused.program import Program, packed
from ostinato.engines.fused.routines import REALS, connect, pack
from ostinato.engines.fused.threads import in_threads, openmp, share, team
from ostinato.engines.fused.toolchain import load

# Rows that are worth a thread.
_ROWS = 4
# Elements of matrices from which on threads share the columns of a few rows.
_HEAVY = 2**17


@dataclass(frozen=True)
class Port:
    """A tensor as a kernel sees it: address, stride in time, stride between rows."""

    address: int
    time: int = 0
    row: int = 0


class Kernel:
    """The three functions of a core: forward alone, forward for training, backward.

    Args:
        core: the core.
        dtype: float32 or float64.
    """

    def __init__(self, core: Core, dtype: torch.dtype) -> None:
        self.core, self.dtype = fold(core), dtype
        self.backward: Backward = derive(self.core)
        programs = [
            forward_program(self.core, self.backward, "forward", saving=False),
            forward_program(self.core, self.backward, "forward_saving", saving=True),
            backward_program(self.core, self.backward),
        ]
        self.programs = {program.name: program for program in programs}
        text, writers = source(programs, REALS[dtype])
        self.ports = {writer.program.name: writer.ports for writer in writers}
        self.optional = {writer.program.name: writer.optional for writer in writers}
        self._text = text
        self._alone = self._load(0)

    def _load(self, team: int) -> dict[str, Callable[..., None]]:
        """The functions, for one thread or for a team of threads."""
        library = load(f"#define TEAM {team}\n{self._text}")
        connect(library, self.dtype)
        return {name: _function(library, name) for name in self.programs}

    @cached_property
    def _together(self) -> dict[str, Callable[..., None]]:
        return self._load(1)

    @cached_property
    def _heavy(self) -> bool:
        """Whether a step has enough to multiply for several threads to share one row."""
        return sum(v.size for v in self.core.constants if len(v.shape) > 1) >= _HEAVY

    def run(self, name: str, ports: dict[str, Port], steps: int, rows: int, split: Any) -> None:
        """Call one function over all rows, in as many threads as torch uses.

        Args:
            name: of the function.
            ports: by name; optional ones may be left out.
            steps: T.
            rows: B.
            split: gives the ports of one thread, which may differ in sums.
        """
        order = self.ports[name]
        absent = dict.fromkeys(self.optional[name], Port(0))

        def addresses(thread: int) -> Any:
            own = absent | ports | split(thread)
            return (ctypes.c_void_p * len(order))(*(own[port].address for port in order))

        known = absent | ports | split(0)
        strides = (ctypes.c_int64 * (2 * len(order)))(
            *(n for port in order for n in (known[port].time, known[port].row))
        )
        borders, threads = share(rows, _ROWS), torch.get_num_threads()
        alone = self._alone[name]
        if threads > 1 and rows < 2 * _ROWS and self._heavy and (library := openmp()):
            together, given = self._together[name], (addresses(0), strides, steps)
            library.by_columns(together, threads, *given, rows, team())
        elif len(borders) > 2 and (library := openmp()):
            each = [addresses(thread) for thread in range(len(borders) - 1)]
            held = (ctypes.c_void_p * len(each))(*map(ctypes.addressof, each))
            count = (ctypes.c_int64 * len(borders))(*borders)
            library.by_rows(alone, len(each), held, strides, steps, count)
        else:
            in_threads(
                rows, _ROWS, lambda i, a, b: alone(addresses(i), strides, steps, a, b, None, 0)
            )


def _constants(core: Core, program: Program) -> Program:
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
    return _constants(core, program)


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
    return _constants(core, replace(program, read=read))


def _distinct(results: dict[str, ir.Value]) -> dict[str, ir.Value]:
    """One port for each value: equal results are put out once."""
    return {port: value for value, port in {v: p for p, v in reversed(results.items())}.items()}


def port_of(results: dict[str, ir.Value], value: ir.Value) -> str:
    """The port that holds a result."""
    return next(port for port, found in results.items() if found is value)


def is_carry(core: Core, value: ir.Value) -> bool:
    """Whether an export is a carry, whose trajectory is kept anyway."""
    return value in core.new_carry or value in core.carry


def sequence_port(tensor: Tensor) -> Port:
    """A tensor (T, B, ...) whose rows are contiguous."""
    return Port(tensor.data_ptr(), tensor.stride(0), tensor.stride(1))


def row_port(tensor: Tensor) -> Port:
    """A tensor (B, ...)."""
    return Port(tensor.data_ptr(), 0, tensor.stride(0))


class Constants:
    """The constants of a call as kernels read them; matrices are packed once.

    Args:
        kernel: whose they are.
        tensors: their values.
    """

    def __init__(self, kernel: Kernel, tensors: Sequence[Tensor]) -> None:
        self.kernel, self.tensors = kernel, [tensor.detach() for tensor in tensors]
        self._alive: dict[str, Tensor] = {}

    def ports(self, name: str) -> dict[str, Port]:
        """The ports of one function."""
        found = {}
        for i, value in enumerate(self.kernel.core.constants):
            if f"const_{i}" in self.kernel.ports[name]:
                found[f"const_{i}"] = self._port(f"const_{i}", self.tensors[i], Tensor.contiguous)
            for transposed in (False, True):
                port = packed(value, transposed)
                if port in self.kernel.ports[name]:
                    matrix = self.tensors[i].mT if transposed else self.tensors[i]
                    found[port] = self._port(port, matrix, pack)
        return found

    def _port(self, name: str, tensor: Tensor, prepare: Callable[[Tensor], Tensor]) -> Port:
        if name not in self._alive:
            self._alive[name] = prepare(tensor)
        return Port(self._alive[name].data_ptr())


def _function(library: ctypes.CDLL, name: str) -> Callable[..., None]:
    function = getattr(library, name)
    pointer, integer = ctypes.c_void_p, ctypes.c_int64
    function.argtypes = [pointer, pointer, integer, integer, integer, pointer, integer]
    function.restype = None
    return function  # type: ignore[no-any-return]
