"""Compile kernels for a device that is not there, and say what they need of it."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ostinato.core.errors import EngineError
from ostinato.core.extras import extra
from ostinato.engines.fused.device.kernel import DeviceKernel
from ostinato.engines.fused.device.module import functions
from ostinato.engines.fused.device.persistent import UNDER_WAY
from ostinato.engines.fused.device.precision import STORED
from ostinato.engines.fused.device.source import Source, module
from ostinato.engines.fused.device.tiles import Tile

_POINTERS = {"tl.float32": "*fp32", "tl.float64": "*fp64"}


@dataclass(frozen=True)
class Resources:
    """What one function needs of the device.

    Attributes:
        name: of the function.
        tile: what one program takes.
        registers: of each thread; 255 is the most there are.
        spilled: bytes of each thread that found no register.
        shared: bytes of a program.
        barriers: places where the threads of a program wait for one another.
    """

    name: str
    tile: Tile
    registers: int
    spilled: int
    shared: int
    barriers: int


def resources(
    kernel: DeviceKernel, rows: int, precision: str = "ieee", capability: int = 90
) -> list[Resources]:
    """Compile the functions of a core with Triton and its assembler.

    Args:
        kernel: the core.
        rows: B, on which the tiles depend.
        precision: of products: "ieee", "tf32x3", "tf32", "bf16" or "fp16".
        capability: of the device, ten times.

    Raises:
        EngineError: if Triton interprets kernels in this process, or does not compile them.
    """
    triton = extra("triton", "gpu", "Code for CUDA")
    if triton.knobs.runtime.interpret:
        raise EngineError(
            "Triton interprets kernels in this process; unset TRITON_INTERPRET to compile them."
        )
    low = {f"const_{i}": f"*{precision}" for i in kernel.factors if precision in STORED}
    found = kernel.launched(precision, rows)
    made = functions(module(each for each, _ in found), [each.program.name for each, _ in found])
    return [
        measured(
            source.program.name,
            made[source.program.name],
            _signature(source, tile, low),
            tile,
            capability,
            UNDER_WAY if "counter" in source.arguments else 1,
        )
        for source, tile in found
    ]


def measured(
    name: str,
    function: Any,
    signature: tuple[Any, Any, Any],
    tile: Tile,
    capability: int = 90,
    stages: int = 1,
) -> Resources:
    """Compile one function.

    Args:
        name: of the function.
        function: as Triton knows it.
        signature: types of the arguments, numbers that are fixed, and what is known of others.
        tile: what one program takes.
        capability: of the device, ten times.
        stages: of loads that are on their way at once.
    """
    compiler = extra("triton.compiler", "gpu", "Code for CUDA")
    targets = extra("triton.backends.compiler", "gpu", "Code for CUDA")
    options = {"num_warps": tile.warps, "num_stages": stages}
    made = compiler.compile(
        compiler.ASTSource(function, *signature),
        target=targets.GPUTarget("cuda", capability, 32),
        options=options,
    )
    said, text = assemble(made.asm["ptx"], capability), made.asm["ptx"]
    return Resources(
        name=name,
        tile=tile,
        registers=int(_number(r"Used (\d+) registers", said)),
        spilled=int(_number(r"(\d+) bytes spill stores", said)),
        shared=made.metadata.shared,
        barriers=len(re.findall(r"bar(?:rier)?\.sync", text)),
    )


def _signature(source: Source, tile: Tile, low: dict[str, str]) -> tuple[Any, Any, Any]:
    """Types of the arguments, numbers that are fixed, and what is known of the others."""
    pointer = _POINTERS[source.real]
    integers = {"T", "rows", *(a for a in source.arguments if a.endswith(("_time", "_row")))}
    types = {a: "i32" if a in integers else low.get(a, pointer) for a in source.arguments}
    types |= {"counter": "*i32"} if "counter" in types else {}
    fixed = {"R": tile.rows, "U": tile.units, "S": tile.stages}
    types |= dict.fromkeys(fixed, "constexpr")
    # Tensors begin at such addresses; their strides are taken to be as even.
    even = [(i,) for i, a in enumerate(source.arguments) if a not in ("T", "rows")]
    return types, fixed, {key: [["tt.divisibility", 16]] for key in even}


def assemble(text: str, capability: int) -> str:
    """What the assembler says about a kernel."""
    knobs = extra("triton.knobs", "gpu", "Code for CUDA")
    architecture = f"sm_{capability}{'a' if capability >= 90 else ''}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.ptx"
        path.write_text(text, encoding="utf-8")
        command = [knobs.nvidia.ptxas.path, "-v", f"--gpu-name={architecture}", str(path)]
        command += ["-o", str(path.with_suffix(".cubin"))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineError(f"the assembler of Triton failed: {done.stderr.strip()}")
    return done.stderr


def _number(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found.group(1) if found else "0"
