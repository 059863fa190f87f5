"""A compiled core: its programs, their call, and its gradient."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ostinato.engines.fused.cpp import source
from ostinato.engines.fused.derive import Backward, derive
from ostinato.engines.fused.fold import fold
from ostinato.engines.fused.lower import Core
from ostinato.engines.fused.program import Program, packed
from ostinato.engines.fused.programs import backward_program, forward_program
from ostinato.engines.fused.room import room
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


class Functions:
    """Functions that are generated of programs, and their call.

    Args:
        core: whose constants they read.
        programs: one for each function.
        dtype: float32 or float64.
    """

    def __init__(self, core: Core, programs: Sequence[Program], dtype: torch.dtype) -> None:
        self.core, self.dtype = core, dtype
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

    def room(self, shape: tuple[int, ...]) -> Tensor:
        """A tensor of arbitrary numbers."""
        return room(shape, self.dtype)

    def constants(self, tensors: Sequence[Tensor]) -> Constants:
        """The constants of a call."""
        return Constants(self, tensors)

    def sequence(self, tensor: Tensor, downwards: bool) -> Port:
        """The port of (T, B, ...), whose rows are contiguous, from the step that is run first."""
        time, address = tensor.stride(0), tensor.data_ptr()
        if downwards:
            address += (tensor.shape[0] - 1) * time * tensor.element_size()
            time = -time
        return Port(address, time, tensor.stride(1))

    def row(self, tensor: Tensor) -> Port:
        """The port of (B, ...)."""
        return Port(tensor.data_ptr(), 0, tensor.stride(0))

    def run(
        self, name: str, ports: dict[str, Port], constants: Constants, steps: int, rows: int
    ) -> None:
        """Call one function over all rows, in as many threads as torch uses.

        Args:
            name: of the function.
            ports: by name; optional ones may be left out.
            constants: of the call.
            steps: T.
            rows: B.
        """
        self._call(name, ports | constants.ports(name), steps, rows, lambda _: {})

    def _call(self, name: str, ports: dict[str, Port], steps: int, rows: int, split: Any) -> None:
        """Call one function; `split` gives the ports of one thread, which may differ in sums."""

        def addresses(thread: int) -> Any:
            return self._given(name, ports | split(thread))[0]

        strides = self._given(name, ports | split(0))[1]
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

    def _given(self, name: str, ports: dict[str, Port]) -> tuple[Any, Any]:
        """Addresses and strides as a function takes them; optional ports may be left out."""
        order, absent = self.ports[name], dict.fromkeys(self.optional[name], Port(0))
        known = [(absent | ports)[port] for port in order]
        addresses = (ctypes.c_void_p * len(order))(*(port.address for port in known))
        strides = (ctypes.c_int64 * (2 * len(order)))(
            *(stride for port in known for stride in (port.time, port.row))
        )
        return addresses, strides


class Kernel(Functions):
    """The three functions of a core: forward alone, forward for training, backward.

    Args:
        core: the core.
        dtype: float32 or float64.
    """

    def __init__(self, core: Core, dtype: torch.dtype) -> None:
        core = fold(core)
        self.backward: Backward = derive(core)
        programs = [
            forward_program(core, self.backward, "forward", saving=False),
            forward_program(core, self.backward, "forward_saving", saving=True),
            backward_program(core, self.backward),
        ]
        super().__init__(core, programs, dtype)

    def form(self, rows: int, steps: int, training: bool) -> None:
        """There is but one."""

    def microseconds(self, steps: int, rows: int, training: bool) -> None:
        """Nothing: on the CPU engines are not chosen by estimates."""

    def reverse(
        self,
        ports: dict[str, Port],
        held: dict[str, Tensor],
        constants: Constants,
        wanted: Sequence[bool],
        steps: int,
        rows: int,
        downwards: bool,
    ) -> list[Tensor | None]:
        """The reverse loop, and the gradients of the constants.

        Args:
            ports: by name.
            held: tensors by port, which the loop itself sums up.
            constants: of the call.
            wanted: which constants need a gradient.
            steps: T.
            rows: B.
            downwards: whether the reverse loop goes down in time.
        """
        sums = self._sums(wanted)
        self._call(
            "backward",
            ports | constants.ports("backward"),
            steps,
            rows,
            lambda thread: {port: Port(each[thread].data_ptr()) for port, each in sums.items()},
        )
        found: list[Tensor | None] = [None] * len(wanted)
        for port, each in sums.items():
            i = self._constant(port)
            total, before = each.sum(0), found[i]
            found[i] = total if before is None else before + total
        return found

    def _sums(self, wanted: Sequence[bool]) -> dict[str, Tensor]:
        """Zeros for what is summed over steps and rows (threads, ...)."""
        program, found = self.programs["backward"], {}
        for port in (*program.sums, *program.outers):
            constant = self._constant(port)
            if wanted[constant] or port in program.sums:
                shape = (torch.get_num_threads(), *self.core.constants[constant].shape)
                found[port] = torch.zeros(shape, dtype=self.dtype)
        return found

    def _constant(self, port: str) -> int:
        """Which constant a sum belongs to."""
        kind, i = port.split("_")
        return int(i) if kind == "sum" else self.backward.matrices[int(i)].constant


class Constants:
    """The constants of a call as kernels read them; matrices are packed once.

    Args:
        kernel: the functions that read them.
        tensors: their values.
    """

    def __init__(self, kernel: Functions, tensors: Sequence[Tensor]) -> None:
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
