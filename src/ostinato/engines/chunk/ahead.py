"""Compile the kernels for a device that is not there, and say what they need of it."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any, NamedTuple

from ostinato.core.errors import EngineError
from ostinato.core.extras import extra
from ostinato.engines.chunk.tiles import HOMES, ROWS, Tile, tile
from ostinato.engines.fused.device.ahead import assemble

_FLAGS = ("GATED", "ERASES", "SCALED", "DELTA", "NEW")
_NUMBERS = ("T", "heads", "chunks", "n")


class Resources(NamedTuple):
    """What one kernel needs of the device.

    Attributes:
        name: of the kernel.
        warps: of a program.
        registers: of each thread; 255 is the most there are.
        spilled: bytes of each thread that found no register.
        shared: bytes of a program.
    """

    name: str
    warps: int
    registers: int
    spilled: int
    shared: int


def resources(
    keys: int, values: int, precision: str = "ieee", by_key: bool = False, capability: int = 90
) -> list[Resources]:
    """Compile all kernels, with gate, erasing and β, in float32.

    Args:
        keys: K.
        values: V.
        precision: of products: "ieee", "tf32x3" or "tf32".
        by_key: whether each key decays by itself.
        capability: of the device, ten times.

    Raises:
        EngineError: if Triton interprets kernels in this process.
    """
    triton = extra("triton", "gpu", "Code for CUDA")
    if triton.knobs.runtime.interpret:
        raise EngineError(
            "Triton interprets kernels in this process; unset TRITON_INTERPRET to compile them."
        )
    fixed: dict[str, Any] = {**dict.fromkeys(_FLAGS, True), "BY_KEY": by_key}
    fixed |= {"keys": keys, "values": values, "C": ROWS, "PRECISION": precision}
    fixed["gates"] = keys if by_key else 1
    return [of_kernel(name, tile(name, keys, values), fixed, capability) for name in HOMES]


def of_kernel(name: str, chosen: Tile, fixed: dict[str, Any], capability: int = 90) -> Resources:
    """Compile one kernel.

    Args:
        name: of the kernel.
        chosen: what a program takes.
        fixed: numbers that are compiled in, besides those of the tile.
        capability: of the device, ten times.
    """
    kernel = import_module(f"ostinato.engines.chunk.on_device.{HOMES[name]}").__dict__[name]
    compiler = extra("triton.compiler", "gpu", "Code for CUDA")
    targets = extra("triton.backends.compiler", "gpu", "Code for CUDA")
    fixed = {x: value for x, value in {**fixed, **chosen.sizes}.items() if x in kernel.arg_names}
    types = {argument: _kind(argument, fixed) for argument in kernel.arg_names}
    pointers = ("*fp32", "*fp64", "i64")
    even = [(i,) for i, argument in enumerate(kernel.arg_names) if types[argument] in pointers]
    made = compiler.compile(
        compiler.ASTSource(kernel, types, fixed, {key: [["tt.divisibility", 16]] for key in even}),
        target=targets.GPUTarget("cuda", capability, 32),
        options={"num_warps": chosen.warps, "num_stages": 1},
    )
    said = assemble(made.asm["ptx"], capability)
    registers = re.search(r"Used (\d+) registers", said)
    spilled = re.search(r"(\d+) bytes spill stores", said)
    return Resources(
        name,
        chosen.warps,
        int(registers.group(1)) if registers else 0,
        int(spilled.group(1)) if spilled else 0,
        made.metadata.shared,
    )


def _kind(name: str, fixed: dict[str, Any]) -> str:
    """The type of an argument."""
    if name in fixed:
        return "constexpr"
    if name in ("scale", "gamma"):
        return {"scale": "fp32", "gamma": "*fp64"}[name]
    if name in _NUMBERS:
        return "i32"
    return "i64" if name.endswith(("_batch", "_head", "_time")) else "*fp32"
