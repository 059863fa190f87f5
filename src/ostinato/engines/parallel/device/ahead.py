"""Compile scans for a device that is not there, and say what they need of it."""

from __future__ import annotations

from typing import Any

from ostinato.engines.fused.device.ahead import Resources, measured
from ostinato.engines.fused.device.tiles import Tile
from ostinato.engines.parallel.device.ports import MASKS
from ostinato.engines.parallel.device.scan import LANES, WARPS, function
from ostinato.engines.parallel.device.source import Scan

_POINTERS = {"float32": "*fp32", "float64": "*fp64"}


def resources(scan: Scan, capability: int = 90) -> Resources:
    """Compile one kernel with Triton and its assembler, lanes next to one another in memory.

    Args:
        scan: the kernel.
        capability: of the device, ten times.
    """
    return measured(scan.name, function(scan), _signature(scan), Tile(1, LANES, WARPS), capability)


def _signature(scan: Scan) -> tuple[Any, Any, Any]:
    """Types of the arguments, numbers that are fixed, and what is known of the others."""
    last = f"_lane_{scan.axes - 1}"
    fixed = {a: 2 if scan.algebra.complex else 1 for a in scan.arguments if a.endswith(last)}
    types = {argument: _type(argument, scan) for argument in scan.arguments} | {"N": "i32"}
    fixed |= {"N": LANES} | {f"{mask}{last}": 0 for mask in scan.masks if scan.axes > 1}
    types |= dict.fromkeys(fixed, "constexpr")
    return types, fixed, {
        (i,): [["tt.divisibility", 16]]
        for i, argument in enumerate(scan.arguments)
        if argument not in fixed and argument not in ("T", "C", "lanes")
    }  # fmt: skip


def _type(argument: str, scan: Scan) -> str:
    if argument in MASKS:
        return "*u8"
    ports = [*scan.read, *scan.written, *scan.ends, "a"]
    return _POINTERS[scan.real] if argument in ports else "i32"
