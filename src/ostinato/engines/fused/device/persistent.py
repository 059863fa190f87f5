"""One kernel over all processors of a device, which share the matrices and wait for one another."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ostinato.engines.fused.device.blocks import power_of_two
from ostinato.engines.fused.device.estimate import persistent_time
from ostinato.engines.fused.device.module import functions
from ostinato.engines.fused.device.persistent_body import with_exchange
from ostinato.engines.fused.device.port import Port, arguments
from ostinato.engines.fused.device.source import Source, module, shared_source
from ostinato.engines.fused.device.target import target
from ostinato.engines.fused.device.tiles import Tile
from ostinato.engines.fused.layout import LowerError
from ostinato.engines.fused.program import Program

# Rows that a program takes: from the smallest product of the device's units to what leaves shared
# memory for the matrices.
_ROWS = (16, 64)
# The narrowest columns of a product.
_LEAST_COLUMNS = 8
_WARPS = 8
# Elements of single precision, or of 16 bits, that a program keeps in shared memory. Where numbers
# are taken apart they lie there twice, and exact units would keep what they read in registers too.
_MOST_RESIDENT = {
    "ieee": 2**13, "tf32x3": 2**14, "tf32": 40 * 2**10, "bf16": 80 * 2**10, "fp16": 80 * 2**10,
}  # fmt: skip
# Pieces of a matrix on their way from the second cache, where it does not stay on chip.
UNDER_WAY = 3


class Persistent:
    """A program whose matrices all processors share.

    Args:
        program: what is computed, without sums.
        real: the type of numbers, "float32" or "float64".
        device: the kind of device.
    """

    def __init__(self, program: Program, real: str, device: str) -> None:
        self.program, self._real, self._device = with_exchange(program), real, device
        self._sources: dict[tuple[str, bool], Source | None] = {}
        self._functions: dict[str, Any] = {}

    def launched(self, precision: str, rows: int) -> list[tuple[Source, Tile]]:
        """The kernel, and the part of each program."""
        if not any(value.op == "matmul" for value in self.program.made):
            raise LowerError("there is no matrix to share")
        made = self._written(precision, resident=False)
        if made is None:
            raise LowerError("elements depend on one another otherwise than by products")
        if not together(self._device):
            raise LowerError("the device does not promise to run all programs at the same time")
        tile = share(rows, made.elements, processors(self._device))
        if tile is None:
            raise LowerError(f"{rows} rows are too many for all to run at the same time")
        resident = self._resident(made, tile)
        found = self._written(precision, resident)
        assert found is not None
        return [(found, tile)]

    def step_time(self, precision: str, rows: int, replayed: bool) -> float:
        """Microseconds of a step by the estimate; nothing is launched again."""
        [(made, tile)] = self.launched(precision, rows)
        return persistent_time(made, tile, rows, self._resident(made, tile))

    def _resident(self, made: Source, tile: Tile) -> bool:
        """Whether the columns of a program stay on chip."""
        held = tile.units * made.products // made.elements
        held *= 2 if self._real == "float64" else 1
        return held <= _MOST_RESIDENT[made.precision]

    def _written(self, precision: str, resident: bool) -> Source | None:
        key = precision, resident
        if key not in self._sources:
            self._sources[key] = shared_source(self.program, self._real, precision, resident)
        return self._sources[key]

    def _function(self, made: Source) -> Any:
        if made.text not in self._functions:
            name = made.program.name
            self._functions[made.text] = functions(module([made]), [name])[name]
        return self._functions[made.text]

    def run(
        self,
        ports: dict[str, Port],
        constants: dict[str, Port],
        steps: int,
        rows: int,
        precision: str,
    ) -> None:
        """All steps, for rows that `launched` agrees to."""
        like = next(iter(ports.values())).tensor
        [(made, tile)] = self.launched(precision, rows)
        grid = tile.grid(rows, made.elements)
        given = arguments(ports | constants | self._exchange(ports, like, steps, rows))
        given |= {"counter": like.new_zeros(grid[0], dtype=torch.int32), "T": steps, "rows": rows}
        self._function(made)[grid](
            *(given[argument] for argument in made.arguments),
            R=tile.rows,
            U=tile.units,
            S=tile.stages,
            num_warps=tile.warps,
            num_stages=UNDER_WAY,
            # If not all programs ran at the same time, none would ever go on.
            launch_cooperative_grid=True,
        )

    def _exchange(
        self, ports: dict[str, Port], like: Tensor, steps: int, rows: int
    ) -> dict[str, Port]:
        """Room for what is put out only because it is multiplied."""
        found = {}
        for name, value in self.program.results.items():
            if name not in ports:
                room = like.new_empty((steps, rows, value.size))
                found[name] = Port(room, room.stride(0), room.stride(1))
        return found


def share(rows: int, elements: int, programs: int) -> Tile | None:
    """The part of each program; None if there are too many rows for all to run at once.

    Args:
        rows: B.
        elements: of a row.
        programs: that run at the same time.
    """
    most = _ROWS[1] if programs > 1 else rows
    height = max(_ROWS[0], min(power_of_two(most), power_of_two(rows)))
    across = programs // -(-rows // height)
    if not across:
        return None
    width = max(_LEAST_COLUMNS, power_of_two(-(-elements // across)))
    return Tile(height, width, _WARPS)


def processors(device: str) -> int:
    """Programs that run at the same time: one on each multiprocessor, or one after another.

    Args:
        device: "cuda", for the current device or one that is not there; or "cpu" with Triton's
            interpreter.
    """
    return target().multiprocessors if device == "cuda" else 1


def together(device: str) -> bool:
    """Whether a device runs all programs of a launch or none, and lets them wait for one another.

    Args:
        device: as in `processors`; one that is not there is taken to do so.
    """
    if device != "cuda" or not torch.cuda.is_available():
        return True
    return torch.version.hip is None and torch.cuda.get_device_capability() >= (7, 0)
