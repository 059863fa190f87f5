"""How long a step takes on a device, in each form of the loop.

A step on chip is the sum of what one multiprocessor does in turn. The estimates order tiles and
forms, and stand for the loop where engines are compared. They have not been fitted to a device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ostinato.engines.fused.device.multiply import RESIDENT
from ostinato.engines.fused.device.precision import LOW
from ostinato.engines.fused.device.target import target
from ostinato.engines.fused.ir import Value
from ostinato.engines.rates import Rates, rates

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
    pressure, share = source.pressure, _share(source, tile)
    # The units multiply for so many threads at a time.
    full = min(1.0, tile.warps / 4)
    numbers = tile.rows * share
    time = numbers * pressure.pointwise / (rates.pointwise * full)
    if source.products:
        time += numbers * pressure.multiplied / (rates.multiply[source.precision] * full)
        if source.products > RESIDENT[source.precision]:
            time += source.products * _stored(source) / rates.cache
    return time + _SPILL * spilled(source, tile) / rates.cache


def alternating_time(
    segments: Sequence[Source], products: Sequence[Value], precision: str, rows: int, replayed: bool
) -> float:
    """Microseconds of a step whose products torch computes.

    Args:
        segments: the kernels between them.
        products: what they compute.
        precision: of products.
        rows: B.
        replayed: whether stages are replayed, not launched one by one.
    """
    found, low = rates(), precision in LOW.values()
    size = _BYTES[segments[0].real] if segments else 4
    # Factors of 16 bits are rounded by a kernel more.
    stages = len(segments) + len(products) * (2 if low else 1)
    time = stages * (found.replayed if replayed else found.launched)
    time += sum(rows * each.pressure.moved * size / found.bandwidth for each in segments)
    together = target().multiprocessors * found.multiply[precision]
    for value in products:
        read = value.args[1].size * (2 if low else size) / found.second_cache
        multiplied = rows * value.size * value.args[0].shape[-1] / together
        time += max(found.product_step, read, multiplied)
    return time


def persistent_time(source: Source, tile: Tile, rows: int, resident: bool) -> float:
    """Microseconds of a step of programs that share the matrices.

    Args:
        source: the kernel.
        tile: what one program takes.
        rows: B.
        resident: whether the columns of a program stay on chip.
    """
    found, pressure, share = rates(), source.pressure, _share(source, tile)
    programs = math.prod(tile.grid(rows, source.elements))
    products = [v for v in source.program.made if v.op == "matmul"]
    numbers = tile.rows * share
    time = found.product_step + len(products) * found.barrier
    time += numbers * pressure.pointwise / found.pointwise
    time += numbers * pressure.multiplied / found.multiply[source.precision]
    # Every program reads all that it multiplies, which the others wrote.
    read = programs * tile.rows * sum(v.args[0].size for v in products) * _BYTES[source.real]
    read += 0 if resident else tile.grid(rows, 0)[0] * source.products * _stored(source)
    return time + read / found.second_cache + _SPILL * spilled(source, tile) / found.cache


def _stored(source: Source) -> int:
    """Bytes of an element of a matrix."""
    return 2 if source.precision in LOW.values() else _BYTES[source.real]


def _share(source: Source, tile: Tile) -> float:
    """The part of a row that a program takes; of heads, each one."""
    return tile.units / source.elements if tile.units else 1.0
