"""One kernel in which each program runs all steps of some rows, with the whole matrices."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch

from ostinato.engines import tuned
from ostinato.engines.fused.device.estimate import step_time
from ostinato.engines.fused.device.module import functions
from ostinato.engines.fused.device.port import Port, arguments
from ostinato.engines.fused.device.source import Source, module, source
from ostinato.engines.fused.device.target import target
from ostinato.engines.fused.device.tiles import Tile, choose, ordered
from ostinato.engines.fused.device.trial import MOST, trial
from ostinato.engines.fused.program import Program
from ostinato.engines.rates import rates

# Tiles that are tried on a device, those of the best estimates.
_TRIED = 4


class OnChip:
    """A program that one kernel computes.

    Args:
        program: what is computed, without sums.
        real: the type of numbers, "float32" or "float64".
        device: the kind of device.
    """

    def __init__(self, program: Program, real: str, device: str) -> None:
        self.program, self._real, self._device = program, real, device
        self._sources: dict[str, Source] = {}
        self._functions: dict[str, Any] = {}
        self._tiles: dict[tuple[str, int], dict[str, Tile]] = {}

    def source(self, precision: str) -> Source:
        """The kernel, in some precision of products."""
        if precision not in self._sources:
            self._sources[precision] = source(self.program, self._real, precision)
        return self._sources[precision]

    def launched(self, precision: str, rows: int) -> list[tuple[Source, Tile]]:
        """The kernel, and the part of each program by the estimate."""
        made = self.source(precision)
        return [(made, choose(made, rows, target(), rates()))]

    def step_time(self, precision: str, rows: int, replayed: bool) -> float:
        """Microseconds of a step by the estimate; nothing is launched again."""
        [(made, tile)] = self.launched(precision, rows)
        return step_time(made, tile, rows, target(), rates())

    def run(
        self,
        ports: dict[str, Port],
        constants: dict[str, Port],
        steps: int,
        rows: int,
        precision: str,
    ) -> None:
        """All steps."""
        tile = self._tile(constants, rows, precision)
        self.launch(tile, ports | constants, steps, rows, precision)

    def launch(
        self, tile: Tile, ports: dict[str, Port], steps: int, rows: int, precision: str
    ) -> None:
        """Call the kernel by a tile.

        Args:
            tile: what one program takes.
            ports: by name, constants among them.
            steps: T.
            rows: B.
            precision: of products.
        """
        made = self.source(precision)
        grid = tile.grid(rows, made.elements)
        given = arguments(ports) | {"T": steps, "rows": rows}
        if made.width:
            like = next(iter(ports.values())).tensor
            given["memory"] = like.new_empty((math.prod(grid) * tile.rows, made.width))
        self._function(made)[grid](
            *(given[argument] for argument in made.arguments),
            R=tile.rows,
            U=tile.units,
            S=tile.stages,
            num_warps=tile.warps,
            num_stages=1,
        )

    def _function(self, made: Source) -> Any:
        """What Triton compiles when it is first called."""
        if made.precision not in self._functions:
            name = made.program.name
            self._functions[made.precision] = functions(module([made]), [name])[name]
        return self._functions[made.precision]

    def _tile(self, constants: dict[str, Port], rows: int, precision: str) -> Tile:
        """The tile for so many rows, or as many as the next power of two."""
        made, rows = self.source(precision), tuned.size_class(rows)
        tiles = self._tiles.get((made.digest, rows))
        if tiles is None:
            best = ordered(made, rows, target(), rates())[:_TRIED]
            tiles = self._tiles[made.digest, rows] = {tile.name: tile for tile in best}

        def measure(tile: Tile) -> float:
            timed = trial(self.program, rows, getattr(torch, self._real), self._device, MOST)
            launch = partial(self.launch, tile, rows=rows, precision=precision)
            return timed(lambda ports, steps: launch(ports | constants, steps))

        return tuned.choose(("tile", made.digest, self._real, rows), tiles, measure, self._device)
