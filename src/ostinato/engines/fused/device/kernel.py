"""A core compiled for a device: its programs, their call, and the sums behind the loop."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ostinato.engines import tuned
from ostinato.engines.fused import ir
from ostinato.engines.fused.derive import Backward, derive
from ostinato.engines.fused.device.alternating import Alternating
from ostinato.engines.fused.device.forms import (
    ALTERNATING,
    ON_CHIP,
    PERSISTENT,
    Choice,
    Form,
    contenders,
    step_times,
)  # fmt: skip
from ostinato.engines.fused.device.multiply import only_factors
from ostinato.engines.fused.device.on_chip import OnChip
from ostinato.engines.fused.device.persistent import Persistent
from ostinato.engines.fused.device.port import Port
from ostinato.engines.fused.device.precision import STORED, precision
from ostinato.engines.fused.device.sinks import Sinks, places, with_sinks
from ostinato.engines.fused.device.source import Source
from ostinato.engines.fused.device.target import target
from ostinato.engines.fused.device.tiles import Tile
from ostinato.engines.fused.device.trial import MOST, trial
from ostinato.engines.fused.device.window import STEPS
from ostinato.engines.fused.lower import Core
from ostinato.engines.fused.program import Program
from ostinato.engines.fused.programs import backward_program, forward_program
from ostinato.engines.rates import rates

_REALS = {torch.float32: "float32", torch.float64: "float64"}


class DeviceKernel:
    """The three functions of a core: forward alone, forward for training, backward.

    Args:
        core: the core.
        dtype: of the state; what is less than float32 is computed in float32.
        device: the kind of device, "cuda"; or "cpu" with Triton's interpreter.
        wanted: the form of functions that can take it; None: the fastest.
    """

    def __init__(
        self, core: Core, dtype: torch.dtype, device: str = "cuda", wanted: str | None = None
    ) -> None:
        self.core, self.device, self._wanted = core, device, wanted
        self.dtype = torch.promote_types(dtype, torch.float32)
        self.backward: Backward = derive(core)
        reverse = backward_program(core, self.backward)
        needed = {p: v for p, v in reverse.sums.items() if int(p.split("_")[1]) not in core.numbers}
        reverse = replace(reverse, sums=needed)
        self._places = places(reverse)
        programs = [
            forward_program(core, self.backward, "forward", saving=False),
            forward_program(core, self.backward, "forward_saving", saving=True),
            with_sinks(reverse),
        ]
        self.programs = {p.name: _with_constants(core, p) for p in programs}
        self.factors = only_factors(self.programs.values())
        self.optional: dict[str, frozenset[str]] = dict.fromkeys(self.programs, frozenset())
        real = _REALS[self.dtype]
        self._on_chip = {n: OnChip(p, real, device) for n, p in self.programs.items()}
        self._forms: dict[str, dict[str, Form]] = {
            name: {
                ON_CHIP: self._on_chip[name],
                ALTERNATING: Alternating(program, real),
                PERSISTENT: Persistent(program, real, device),
            }
            for name, program in self.programs.items()
        }
        self._times: dict[tuple[str, str, int, bool], dict[str, float]] = {}
        for name in self.programs:
            self._step_times(name, self._precision, 1, replayed=False)

    @property
    def _precision(self) -> str:
        """Of products, as torch allows it now."""
        return precision(self.core, self.dtype)

    def sources(self, precision: str) -> dict[str, Source]:
        """The generated kernels of the form on chip, by the names of the programs.

        Args:
            precision: of products.
        """
        return {name: form.source(precision) for name, form in self._on_chip.items()}

    def launched(self, precision: str, rows: int) -> list[tuple[Source, Tile]]:
        """The kernels of the forms that long sequences take, and the part of each program.

        Args:
            precision: of products.
            rows: B.
        """
        found = []
        for name, forms in self._forms.items():
            times = self._step_times(name, precision, rows, replayed=True)
            found += forms[contenders(times, self._wanted)[0]].launched(precision, rows)
        return found

    def form(self, rows: int, steps: int, training: bool) -> str:
        """Which form the forward loop takes, and why."""
        return str(self._choice("forward_saving" if training else "forward", rows, steps))

    def forms(self, rows: int, steps: int, training: bool) -> list[str]:
        """The names of the forms that the functions of a call take."""
        names = ("forward_saving", "backward") if training else ("forward",)
        return [self._choice(name, rows, steps).name for name in names]

    def _step_times(self, name: str, precision: str, rows: int, replayed: bool) -> dict[str, float]:
        """Microseconds of a step of one function by estimate, by forms."""
        key = name, precision, rows, replayed
        if key not in self._times:
            self._times[key] = step_times(self._forms[name], precision, rows, replayed)
        return self._times[key]

    def _choice(
        self, name: str, rows: int, steps: int, constants: dict[str, Port] | None = None
    ) -> Choice:
        """The form of one function; timed, if it can be and constants are given to do so."""
        exact, replayed = self._precision, steps >= 2 * STEPS
        times = self._step_times(name, exact, rows, replayed)
        names = {each: each for each in contenders(times, self._wanted)}
        text, told = (
            self._on_chip[name].source(exact).digest,
            "replayed" if replayed else "launched",
        )
        # Not all forms take all rows of a class.
        sizes = tuned.size_class(rows), ", ".join(sorted(names))
        key = ("form", text, str(self.dtype), told, *sizes)

        def measure(form: str) -> float:
            most = MOST if replayed else STEPS
            timed = trial(self.programs[name], rows, self.dtype, self.device, most)
            run = self._forms[name][form].run
            return timed(lambda ports, steps: run(ports, constants or {}, steps, rows, exact))

        chosen = tuned.choose(key, names, measure if constants is not None else None, self.device)
        return Choice(chosen, times, measured=tuned.known(key, self.device) == chosen)

    def room(self, shape: tuple[int, ...]) -> Tensor:
        """A tensor of arbitrary numbers."""
        return torch.empty(shape, dtype=self.dtype, device=self.device)

    def constants(self, tensors: Sequence[Tensor]) -> dict[str, Port]:
        """The ports of the constants of a call."""
        stored = STORED.get(self._precision, self.dtype)
        held = (tensor.detach().contiguous() for tensor in tensors)
        return {
            f"const_{i}": Port(tensor.to(stored) if i in self.factors else tensor)
            for i, tensor in enumerate(held)
        }

    def sequence(self, tensor: Tensor, downwards: bool) -> Port:
        """The port of (T, B, ...), whose rows are contiguous, from the step that is run first."""
        time, row = tensor.stride(0), tensor.stride(1)
        return Port(tensor[-1], -time, row) if downwards else Port(tensor, time, row)

    def row(self, tensor: Tensor) -> Port:
        """The port of (B, ...)."""
        return Port(tensor, 0, tensor.stride(0))

    def run(
        self, name: str, ports: dict[str, Port], constants: dict[str, Port], steps: int, rows: int
    ) -> None:
        """Call one function over all rows.

        Args:
            name: of the function.
            ports: by name.
            constants: ports of constants.
            steps: T.
            rows: B.
        """
        form = self._choice(name, rows, steps, constants).name
        with _quiet(self.device):
            self._forms[name][form].run(ports, constants, steps, rows, self._precision)

    def microseconds(self, steps: int, rows: int, training: bool) -> float:
        """How long the functions of a call take, and torch's product for gradients behind them."""
        found, time = rates(), 0.0
        for name in ("forward_saving", "backward") if training else ("forward",):
            choice = self._choice(name, rows, steps)
            time += found.call + steps * choice.microseconds[choice.name]
        if training:
            behind = self._on_chip["backward"].source(self._precision)
            numbers = steps * rows * behind.pressure.multiplied
            time += numbers / (target().multiprocessors * found.multiply[behind.precision])
        return time

    def reverse(
        self,
        ports: dict[str, Port],
        held: dict[str, Tensor],
        constants: dict[str, Port],
        wanted: Sequence[bool],
        steps: int,
        rows: int,
        downwards: bool,
    ) -> list[Tensor | None]:
        """The reverse loop, and the gradients of the constants.

        Args:
            ports: by name.
            held: tensors (T, B, ...) by port, of what is read and put out.
            constants: ports of constants.
            wanted: which constants need a gradient.
            steps: T.
            rows: B.
            downwards: whether the reverse loop goes down in time.
        """
        program = self.programs["backward"]
        for port, value in program.results.items():
            if port not in held:
                held[port] = self.room((steps, rows, *value.shape))
                ports[port] = self.sequence(held[port], downwards)
        self.run("backward", ports, constants, steps, rows)
        tensors = [constants[f"const_{i}"].tensor for i in range(len(wanted))]
        tensors_of = {v: held[port] for port, v in (program.read | program.results).items()}
        sinks = Sinks(self.backward, self._places, tensors_of, tensors, (steps, rows))
        return [sinks.of_constant(i) if needs else None for i, needs in enumerate(wanted)]


def _with_constants(core: Core, program: Program) -> Program:
    """The program with all the constants that it reads."""
    used = set(ir.reachable(program.roots, frozenset(program.read.values())))
    named = {f"const_{i}": value for i, value in enumerate(core.constants) if value in used}
    return replace(program, constants=named)


def _quiet(device: str) -> AbstractContextManager[Any]:
    """NumPy warns where a device computes infinity or NaN; the interpreter must not either."""
    return np.errstate(all="ignore") if device == "cpu" else nullcontext()
