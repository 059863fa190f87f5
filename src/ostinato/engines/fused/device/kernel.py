"""A core compiled for a device: its programs, their call, and the sums behind the loop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ostinato.engines.fused import ir
from ostinato.engines.fused.derive import Backward, derive
from ostinato.engines.fused.device import tuned
from ostinato.engines.fused.device.estimate import step_time
from ostinato.engines.fused.device.module import functions
from ostinato.engines.fused.device.multiply import only_factors
from ostinato.engines.fused.device.precision import STORED, precision
from ostinato.engines.fused.device.sinks import Sinks, places, with_sinks
from ostinato.engines.fused.device.source import Source, module, source
from ostinato.engines.fused.device.target import target
from ostinato.engines.fused.device.tiles import Tile, candidates, choose, ordered
from ostinato.engines.fused.device.trial import trial
from ostinato.engines.fused.layout import LowerError
from ostinato.engines.fused.lower import Core
from ostinato.engines.fused.program import Program
from ostinato.engines.fused.programs import backward_program, forward_program
from ostinato.engines.rates import rates

_REALS = {torch.float32: "float32", torch.float64: "float64"}
# Weights that a program reads again at every step: more, and a launch for each step is no slower.
_MOST_ELEMENTS = 2**20
# Tiles that are tried on a device, those of the best estimates.
_TRIED = 4


@dataclass(frozen=True)
class Port:
    """A tensor as a kernel sees it: from the first step, with distances of steps and rows."""

    tensor: Tensor
    time: int = 0
    row: int = 0


class DeviceKernel:
    """The three functions of a core: forward alone, forward for training, backward.

    Args:
        core: the core.
        dtype: of the state; what is less than float32 is computed in float32.
        device: the kind of device, "cuda"; or "cpu" with Triton's interpreter.
        wanted: the form of functions that can take it; None: the one estimated to be the fastest.
    """

    def __init__(self, core: Core, dtype: torch.dtype, device: str = "cuda") -> None:
        self.core, self.device = core, device
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
        self._made: dict[str, tuple[dict[str, Source], dict[str, Any]]] = {}
        self._tiles: dict[tuple[str, int], dict[str, Tile]] = {}
        self._refuse()

    def sources(self, precision: str) -> dict[str, Source]:
        """The generated kernels, by the names of the programs.

        Args:
            precision: of products.
        """
        real = _REALS[self.dtype]
        return {n: source(program, real, precision) for n, program in self.programs.items()}

    def _compiled(self) -> tuple[dict[str, Source], dict[str, Any]]:
        """The kernels, and the functions that they are, for what torch's products may do now."""
        exact = precision(self.core, self.dtype)
        if exact not in self._made:
            sources = self.sources(exact)
            self._made[exact] = sources, functions(module(sources.values()), sources)
        return self._made[exact]

    def _refuse(self) -> None:
        """Decline what a program cannot hold."""
        for made in self._compiled()[0].values():
            if made.products > _MOST_ELEMENTS:
                raise LowerError(
                    f"{made.products} recurrent weights do not fit on chip, and would be read anew "
                    "by every program at every step"
                )
            candidates(made, 1, target())

    def room(self, shape: tuple[int, ...]) -> Tensor:
        """A tensor of arbitrary numbers."""
        return torch.empty(shape, dtype=self.dtype, device=self.device)

    def constants(self, tensors: Sequence[Tensor]) -> dict[str, Port]:
        """The ports of the constants of a call."""
        stored = STORED.get(precision(self.core, self.dtype), self.dtype)
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
        self.launch(name, self._tile(name, constants, rows), ports | constants, steps, rows)

    def launch(self, name: str, tile: Tile, ports: dict[str, Port], steps: int, rows: int) -> None:
        """Call one function by a tile.

        Args:
            name: of the function.
            tile: what one program takes.
            ports: by name, constants among them.
            steps: T.
            rows: B.
        """
        sources, functions = self._compiled()
        made = sources[name]
        grid = tile.grid(rows, made.elements)
        given = _arguments(ports) | {"T": steps, "rows": rows}
        if made.width:
            given["memory"] = self.room((math.prod(grid) * tile.rows, made.width))
        with _quiet(self.device):
            functions[name][grid](
                *(given[argument] for argument in made.arguments),
                R=tile.rows,
                U=tile.units,
                S=tile.stages,
                num_warps=tile.warps,
                num_stages=1,
            )

    def microseconds(self, steps: int, rows: int, training: bool) -> float:
        """How long the functions of a call take, and torch's product for gradients behind them."""
        found, limits, sources = rates(), target(), self._compiled()[0]
        names = ("forward_saving", "backward") if training else ("forward",)
        time = 0.0
        for made in (sources[name] for name in names):
            tile = choose(made, rows, limits, found)
            time += found.call + steps * step_time(made, tile, rows, limits, found)
        if training:
            numbers = steps * rows * sources["backward"].pressure.multiplied
            precision = sources["backward"].precision
            time += numbers / (limits.multiprocessors * found.multiply[precision])
        return time

    def _tile(self, name: str, constants: dict[str, Port], rows: int) -> Tile:
        """The tile for so many rows, or as many as the next power of two."""
        made, rows = self._compiled()[0][name], tuned.size_class(rows)
        tiles = self._tiles.get((made.digest, rows))
        if tiles is None:
            best = ordered(made, rows, target(), rates())[:_TRIED]
            tiles = self._tiles[made.digest, rows] = {tile.name: tile for tile in best}
        key = ("tile", made.digest, str(self.dtype), rows)
        # Random data are drawn only if there is something to measure.
        return tuned.choose(
            key, tiles, lambda tile: trial(self, name, constants, rows)(tile), self.device
        )

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
