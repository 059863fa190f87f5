"""How long a step of a kernel takes on a device: the sum of what one multiprocessor does in turn.

The estimate orders tiles and stands for the kernel where engines are compared. It has not been
fitted to a device.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ostinato.engines.fused.device.multiply import RESIDENT
from ostinato.engines.fused.device.precision import LOW
from ostinato.engines.rates import Rates

if TYPE_CHECKING:
    from ostinato.engines.fused.device.source import Source
    from ostinato.engines.fused.device.target import Target
    from ostinato.engines.fused.device.tiles import Tile

# Numbers that a thread can hold beside addresses and operands: kernels with more of them spilled.
HELD = 88
_BYTES = {"tl.float32": 4, "tl.float64": 8}
# What reading a number again costs that found no register, in bytes from the caches.
_SPILL = 8


def spilled(source: Source, tile: Tile) -> float:
    """Numbers of 32 bits that find no register, of all threads of a program."""
    threads, words = 32 * tile.warps, _BYTES[source.real] // 4
    held = source.live * _share(source, tile) * tile.rows * words
    return max(0.0, held - HELD * threads)


def step_time(source: Source, tile: Tile, rows: int, target: Target, rates: Rates) -> float:
    """Microseconds of a step of all programs together.

    Args:
        source: the kernel.
        tile: what one program takes.
        rows: B.
        target: the device.
        rates: what it does.
    """
    programs = math.prod(tile.grid(rows, source.elements))
    at_once = max(1, min(target.warps, target.threads // 32) // tile.warps)
    waves = -(-programs // (target.multiprocessors * at_once))
    together = min(at_once, -(-programs // target.multiprocessors))
    least = rates.product_step if source.products else rates.pointwise_step
    once = least + source.chunks * rates.chunk / tile.stages + together * _work(source, tile, rates)
    size = _BYTES[source.real]
    moved = rows * source.pressure.moved * size / rates.bandwidth
    return max(waves * once, moved)


def _work(source: Source, tile: Tile, rates: Rates) -> float:
    """Microseconds that one program keeps its multiprocessor busy in a step."""
    pressure, share, size = source.pressure, _share(source, tile), _BYTES[source.real]
    # The units multiply for so many threads at a time.
    full = min(1.0, tile.warps / 4)
    numbers = tile.rows * share
    time = numbers * pressure.pointwise / (rates.pointwise * full)
    if source.products:
        time += numbers * pressure.multiplied / (rates.multiply[source.precision] * full)
        if source.products > RESIDENT[source.precision]:
            stored = size // 2 if source.precision in LOW.values() else size
            time += source.products * stored / rates.cache
    return time + _SPILL * spilled(source, tile) / rates.cache


def _share(source: Source, tile: Tile) -> float:
    """The part of a row that a program takes; of heads, each one."""
    return tile.units / source.elements if tile.units else 1.0
