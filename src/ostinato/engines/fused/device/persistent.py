"""One kernel over all processors of a device, which share the matrices and wait for one another."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from ostinato.engines.fused.device.blocks import power_of_two
from ostinato.engines.fused.device.forms import MULTIPROCESSORS
from ostinato.engines.fused.device.module import functions
from ostinato.engines.fused.device.persistent_body import with_exchange
from ostinato.engines.fused.device.port import Port, arguments
from ostinato.engines.fused.device.source import Source, module, shared_source
from ostinato.engines.fused.device.tiles import Tile
from ostinato.engines.fused.program import Program

# Rows that a program takes: from the smallest product of the device's units to what leaves shared
# memory for the matrices.
_ROWS = (16, 64)
# The narrowest columns of a product.
_LEAST_COLUMNS = 8
_WARPS = 8
# Elements of single precision that a program keeps in shared memory. Where numbers are taken
# apart they lie there twice, and exact units would keep what they read in registers as well.
_MOST_RESIDENT = {"ieee": 2**13, "tf32x3": 2**14, "tf32": 2**15 + 2**13}
# Pieces of a matrix on their way from the second cache, where it does not stay on chip.
UNDER_WAY = 3


class Persistent:
    """A program whose matrices all processors share.

    Args:
        program: what is computed, without sums.
        real: the type of numbers, "float32" or "float64".
    """

    def __init__(self, program: Program, real: str) -> None:
        self.program, self._real = with_exchange(program), real
        self._sources: dict[tuple[str, bool], Source | None] = {}
        self._functions: dict[str, Any] = {}

    def source(self, precision: str, rows: int, device: str) -> tuple[Source, Tile] | None:
        """The kernel and the part of each program.

        Args:
            precision: of products.
            rows: B.
            device: the kind of device.

        Returns:
            None if elements depend on one another otherwise than by products, or if there are too
            many rows for all to run at the same time.
        """
        made = self._written(precision, resident=False)
        tile = share(rows, made.elements, processors(device)) if made else None
        if made is None or tile is None:
            return None
        held = tile.units * made.products // made.elements
        held *= 2 if self._real == "float64" else 1
        resident = self._written(precision, resident=held <= _MOST_RESIDENT[precision])
        return (resident, tile) if resident else None

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

    def run(self, ports: dict[str, Port], steps: int, rows: int, precision: str) -> None:
        """All steps, for rows that `source` agrees to.

        Args:
            ports: by name, constants among them.
            steps: T.
            rows: B.
            precision: of products.
        """
        like = next(iter(ports.values())).tensor
        found = self.source(precision, rows, like.device.type)
        assert found is not None
        made, tile = found
        grid = tile.grid(rows, made.elements)
        given = arguments(ports | self._exchange(ports, like, steps, rows))
        given |= {"counter": like.new_zeros(grid[0], dtype=torch.int32), "T": steps, "rows": rows}
        self._function(made)[grid](
            *(given[argument] for argument in made.arguments),
            R=tile.rows,
            U=tile.units,
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


@cache
def processors(device: str) -> int:
    """Programs that run at the same time: one on each multiprocessor, or one after another.

    Args:
        device: "cuda", for the current device or one that is not there; or "cpu" with Triton's
            interpreter.
    """
    if device != "cuda":
        return 1
    if not torch.cuda.is_available():
        return MULTIPROCESSORS
    return int(torch.cuda.get_device_properties("cuda").multi_processor_count)
