"""Compile kernels for a device that is not there, and say what they need of it."""

from __future__ import annotations

from typing import Any

from ostinato.engines.fused.device.ahead import Resources, measured
from ostinato.engines.fused.device.tiles import Tile
from ostinato.engines.parallel.device.look_back import LookBack
from ostinato.engines.parallel.device.newton import made
from ostinato.engines.parallel.device.ports import MASKS
from ostinato.engines.parallel.device.scan import LANES, WARPS, function
from ostinato.engines.parallel.device.source import Scan
from ostinato.engines.parallel.device.sweep import Sweep

_POINTERS = {"float32": "*fp32", "float64": "*fp64", "bfloat16": "*bf16", "float16": "*fp16"}
_UNEVEN = ("T", "C", "lanes", "rows", "bound", "parts")


def resources(kernel: Scan | LookBack, capability: int = 90) -> Resources:
    """Compile a kernel of scans with Triton and its assembler, lanes next to one another in memory.

    Args:
        kernel: the kernel.
        capability: of the device, ten times.
    """
    scan = kernel if isinstance(kernel, Scan) else kernel.scan
    last = f"_lane_{scan.axes - 1}"
    fixed = {a: 1 + scan.algebra.complex for a in kernel.arguments if a.endswith(last)}
    fixed |= {f"{mask}{last}": 0 for mask in scan.masks if scan.axes > 1}
    ports = ["a", *scan.read, *scan.written, *kernel.ends]
    signature = _signature(kernel.arguments, scan.real, ports, fixed | {"N": LANES})
    return measured(kernel.name, function(kernel), signature, Tile(1, LANES, WARPS), capability)


def sweep_resources(
    sweep: Sweep, tile: Tile, stored: str = "float32", capability: int = 90
) -> Resources:
    """Compile a kernel of Newton's method.

    Args:
        sweep: the kernel.
        tile: what one program takes.
        stored: the type of the inputs.
        capability: of the device, ten times.
    """
    given = (
        sweep.core, sweep.real, sweep.backward, sweep.summary, sweep.masks, sweep.affine,
    )  # fmt: skip
    ports = [*sweep.steps, *sweep.ends, *sweep.rows, *sweep.body.program.constants]
    fixed = {"R": tile.rows, "U": tile.units}
    signature = _signature(sweep.arguments, sweep.real, [*ports, "figures"], fixed)
    signature[0].update((port, _POINTERS[stored]) for port in ports if port.startswith("input_"))
    return measured(sweep.name, made(*given)[1], signature, tile, capability)


def _signature(
    arguments: list[str], real: str, ports: list[str], fixed: dict[str, int]
) -> tuple[Any, Any, Any]:
    """Types of the arguments, numbers that are fixed, and what is known of the others."""
    pointers = dict.fromkeys(ports, _POINTERS[real]) | dict.fromkeys(MASKS, "*u8")
    pointers |= dict.fromkeys(("tickets", "flags"), "*i32")
    types = {argument: pointers.get(argument, "i32") for argument in arguments}
    types |= {"bound": "fp32"} if "bound" in types else {}
    types |= dict.fromkeys(fixed, "constexpr")
    # Tensors begin at such addresses; their strides are taken to be as even.
    even = [a for a in arguments if a not in fixed and a not in _UNEVEN]
    return types, fixed, {(arguments.index(a),): [["tt.divisibility", 16]] for a in even}
