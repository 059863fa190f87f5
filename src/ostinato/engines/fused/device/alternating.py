"""Products by torch, and a kernel for what lies between: for weights that do not fit on chip.

A device's own products spread the matrices over all of its processors; what remains of a step is
one kernel more, or a few where products wait for one another.
"""

from __future__ import annotations

import math
from functools import cached_property
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from ostinato.engines.fused.device.estimate import alternating_time
from ostinato.engines.fused.device.frame import Frame
from ostinato.engines.fused.device.module import functions
from ostinato.engines.fused.device.port import Port
from ostinato.engines.fused.device.segments import divide
from ostinato.engines.fused.device.source import Source, module, source
from ostinato.engines.fused.device.target import target
from ostinato.engines.fused.device.tiles import Tile, choose
from ostinato.engines.fused.device.window import Window, steps_of
from ostinato.engines.fused.ir import Value
from ostinato.engines.fused.layout import LowerError
from ostinato.engines.fused.program import Program
from ostinato.engines.rates import rates

# Windows of other calls that are kept, since each has memory of its own.
_MOST_WINDOWS = 4


class Alternating:
    """A program whose products torch computes.

    Args:
        program: what is computed, without sums.
        real: the type of numbers, "float32" or "float64".
    """

    def __init__(self, program: Program, real: str) -> None:
        self.program, self.division, self._real = program, divide(program), real
        self._windows: dict[Any, Window] = {}
        self._tiles: dict[tuple[str, int], Tile] = {}
        self._lock = Lock()

    @cached_property
    def sources(self) -> dict[str, Source]:
        """The kernels, by the names of the stages."""
        # None of them multiplies: the precision of products is torch's affair.
        made = (source(stage, self._real, "ieee") for stage in self.division.programs)
        return {each.program.name: each for each in made}

    @cached_property
    def _functions(self) -> dict[str, Any]:
        return functions(module(self.sources.values()), self.sources)

    def launched(self, precision: str, rows: int) -> list[tuple[Source, Tile]]:
        """The kernels, and the part of each program by the estimate."""
        return [(made, self._tile(made, rows)) for made in self.sources.values()]

    def step_time(self, precision: str, rows: int, replayed: bool) -> float:
        """Microseconds of a step by the estimate."""
        if not self.division.products:
            raise LowerError("the step has no product that torch could compute")
        return alternating_time(
            [made for made, _ in self.launched(precision, rows)],
            self.division.products,
            precision,
            rows,
            replayed,
        )

    @torch.no_grad()
    def run(
        self,
        ports: dict[str, Port],
        constants: dict[str, Port],
        steps: int,
        rows: int,
        precision: str,
    ) -> None:
        """All steps."""
        frame = self._frame(ports, constants, rows)
        with self._lock:
            done = self._in_windows(frame, steps, precision)
        self._advance(frame, done, steps)
        for i, leaf in enumerate(self.division.states):
            ports[f"last_{i}"].at(0, rows, leaf.size).copy_(frame.states[i][steps % 2])

    def _in_windows(self, frame: Frame, steps: int, precision: str) -> int:
        """The first steps, as far as windows are worth it; how many were run."""
        size = steps_of(frame)
        if steps < 2 * size or _recorded_already():
            return 0
        # A recording keeps how torch multiplied, and the stream that it was made on.
        key = frame.rows, frame.downwards, precision, _stream()
        if key not in self._windows:
            if len(self._windows) == _MOST_WINDOWS:
                del self._windows[next(iter(self._windows))]
            # What is made in that mode can be written in no other.
            with torch.inference_mode(False), torch.no_grad():
                self._windows[key] = Window(self.program, frame, self._advance)
        window = self._windows[key]
        window.begin(frame)
        for first in range(0, steps - size + 1, size):
            window.run(frame, first)
        return steps - steps % size

    def _frame(self, ports: dict[str, Port], constants: dict[str, Port], rows: int) -> Frame:
        """The places of a call, with the states before its first step."""
        division = self.division
        like = next(iter(ports.values())).tensor
        fixed = {name: port.tensor for name, port in constants.items()}
        for name, value in division.kept.items():
            fixed[name] = like.new_empty((rows, value.size))
        for name, made in self.sources.items():
            tile = self._tile(made, rows)
            programs = math.prod(tile.grid(rows, made.elements))
            fixed[f"{name}.memory"] = like.new_empty((programs * tile.rows, made.width))
        states = []
        for i, leaf in enumerate(division.states):
            first = ports[f"first_{i}"].at(0, rows, leaf.size)
            states.append((first.clone(), torch.empty_like(first)))
        sequences = {n: (ports[n], v.size) for n, v in division.sequences.items()}
        return Frame(rows, sequences, tuple(states), fixed)

    def _advance(self, frame: Frame, first: int, end: int) -> None:
        """Some steps."""
        for step in range(first, end):
            found = frame.at(step)
            for stage in self.division.stages:
                if isinstance(stage, Program):
                    self._launch(self.sources[stage.name], found, frame.rows)
                else:
                    self._multiply(stage, found, frame.rows)

    def _launch(self, made: Source, found: dict[str, Tensor], rows: int) -> None:
        """One kernel, over all rows of one step."""
        name, tile = made.program.name, self._tile(made, rows)
        given = {"T": 1, "rows": rows, "memory": found[f"{name}.memory"]}
        for port in (*made.program.results, *made.program.read):
            tensor = found[port]
            given |= {port: tensor, f"{port}_time": 0, f"{port}_row": tensor.stride(0)}
        given |= {port: found[port] for port in made.program.constants}
        self._functions[name][tile.grid(rows, made.elements)](
            *(given[argument] for argument in made.arguments),
            R=tile.rows,
            U=tile.units,
            S=tile.stages,
            num_warps=tile.warps,
            num_stages=1,
        )

    def _tile(self, made: Source, rows: int) -> Tile:
        """What one program takes; to choose takes as long as a launch."""
        key = made.program.name, rows
        if key not in self._tiles:
            self._tiles[key] = choose(made, rows, target(), rates())
        return self._tiles[key]

    def _multiply(self, value: Value, found: dict[str, Tensor], rows: int) -> None:
        """One product, into the place of its result."""
        division, matrix = self.division, found[f"const_{value.args[1].attrs}"]
        seen, target = division.where(value.args[0]), found[division.ports[value]]
        if seen.root.op == "const":
            tensor, row = found[f"const_{seen.root.attrs}"], 0
        else:
            tensor = found[division.ports[seen.root]]
            row = tensor.stride(0)
        start = tensor.storage_offset() + seen.offset
        x = torch.as_strided(tensor, (rows, *seen.shape), (row, *seen.strides), start)
        out = target.view(rows, *value.shape)
        if matrix.dim() == 3:
            x, out = x.transpose(0, 1), out.transpose(0, 1)
        multiply(x, matrix.mT if value.attrs else matrix, out)


def multiply(x: Tensor, matrix: Tensor, out: Tensor) -> None:
    """A product of torch, summed in the type of its result.

    Args:
        x: (B, ..., K), or (heads, B, K).
        matrix: (K, N), or (heads, K, N); of 16 bits, and x is rounded to them.
        out: (B, ..., N), or (heads, B, N).
    """
    if matrix.dtype == out.dtype or not x.is_cuda:
        # Only a device sums in another type than that of the factors.
        factors = x.to(matrix.dtype).to(out.dtype), matrix.to(out.dtype)
        if x.dim() > matrix.dim() and not out.is_contiguous():
            # torch makes one axis of several, and fails where the result does not lie so.
            out.copy_(torch.matmul(*factors))
        else:
            torch.matmul(*factors, out=out)
    elif matrix.dim() == 3:
        torch.bmm(x.to(matrix.dtype), matrix, out_dtype=out.dtype, out=out)
    elif x.dim() == 2:
        torch.mm(x.to(matrix.dtype), matrix, out_dtype=out.dtype, out=out)
    else:
        flat = x.to(matrix.dtype).flatten(0, -2)
        out.copy_(torch.mm(flat, matrix, out_dtype=out.dtype).view(out.shape))


def _recorded_already() -> bool:
    """Whether somebody is recording all that runs."""
    return torch.cuda._initialized and torch.cuda.is_current_stream_capturing()


def _stream() -> Any:
    """The current stream of the device, if it is in use."""
    return torch.cuda.current_stream() if torch.cuda._initialized else None
