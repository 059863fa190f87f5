"""Compile the kernels for a device that is not there, and say what they need of it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ostinato.core.errors import EngineError
from ostinato.core.extras import extra
from ostinato.engines.chunk.device import ROWS, WARPS
from ostinato.engines.fused.device.ahead import assemble

_FLAGS = ("GATED", "ERASES", "SCALED", "KEEP")


class Resources(NamedTuple):
    """What one kernel needs of the device.

    Attributes:
        name: "forward" or "backward".
        registers: of each thread; 255 is the most there are.
        spilled: bytes of each thread that found no register.
        shared: bytes of a program.
    """

    name: str
    registers: int
    spilled: int
    shared: int


def resources(
    keys: int, values: int, precision: str = "ieee", warps: int = WARPS, capability: int = 90
) -> list[Resources]:
    """Compile both kernels, with gate, erasing and β, in float32.

    Args:
        keys: K, a power of 2.
        values: V, a power of 2.
        precision: of products: "ieee", "tf32x3" or "tf32".
        warps: of a program.
        capability: of the device, ten times.

    Raises:
        EngineError: if Triton interprets kernels in this process.
    """
    triton = extra("triton", "gpu", "Code for CUDA")
    if triton.knobs.runtime.interpret:
        raise EngineError(
            "Triton interprets kernels in this process; unset TRITON_INTERPRET to compile them."
        )
    from ostinato.engines.chunk import on_device

    fixed: dict[str, Any] = dict.fromkeys(_FLAGS, True)
    fixed |= {"C": ROWS, "K": keys, "V": values, "PRECISION": precision}
    kernels = (on_device.forward, on_device.backward)
    return [_resources(kernel, fixed, warps, capability) for kernel in kernels]


def _resources(kernel: Any, fixed: dict[str, Any], warps: int, capability: int) -> Resources:
    compiler = extra("triton.compiler", "gpu", "Code for CUDA")
    targets = extra("triton.backends.compiler", "gpu", "Code for CUDA")
    fixed = {name: value for name, value in fixed.items() if name in kernel.arg_names}
    types = {name: _kind(name, fixed) for name in kernel.arg_names}
    even = [(i,) for i, name in enumerate(kernel.arg_names) if types[name] in ("*fp32", "i64")]
    made = compiler.compile(
        compiler.ASTSource(kernel, types, fixed, {key: [["tt.divisibility", 16]] for key in even}),
        target=targets.GPUTarget("cuda", capability, 32),
        options={"num_warps": warps, "num_stages": 1},
    )
    said = assemble(made.asm["ptx"], capability)
    registers = re.search(r"Used (\d+) registers", said)
    spilled = re.search(r"(\d+) bytes spill stores", said)
    return Resources(
        kernel.__name__,
        int(registers.group(1)) if registers else 0,
        int(spilled.group(1)) if spilled else 0,
        made.metadata.shared,
    )


def _kind(name: str, fixed: dict[str, Any]) -> str:
    """The type of an argument."""
    if name in fixed:
        return "constexpr"
    if name == "scale":
        return "fp32"
    if name in ("T", "heads", "chunks", "n", "keys", "values"):
        return "i32"
    return "i64" if name.endswith(("_batch", "_head", "_time")) else "*fp32"
