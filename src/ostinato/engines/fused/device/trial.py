"""Runs of a kernel on random data, for the time that a tile takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ostinato.engines.fused.device.tuned import timed

if TYPE_CHECKING:
    from ostinato.engines.fused.device.kernel import DeviceKernel, Port
    from ostinato.engines.fused.device.tiles import Tile

# Enough steps to be longer than a launch, in not more memory than a call itself takes.
_STEPS, _NUMBERS = 256, 2**26


def trial(
    kernel: DeviceKernel, name: str, constants: dict[str, Port], rows: int
) -> Callable[[Tile], float]:
    """A function that runs one function of a kernel by a tile and returns its microseconds.

    Args:
        kernel: the kernel.
        name: of the function.
        constants: ports of constants of a call, whose values they keep.
        rows: B.
    """
    program = kernel.programs[name]
    values = program.results | program.read
    generator = torch.Generator(kernel.device).manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        # Not from the generator of whoever calls, whose numbers would be others then.
        return kernel.room(shape).normal_(generator=generator)

    width = max(1, rows * sum(value.size for value in values.values()))
    steps = min(_STEPS, max(8, _NUMBERS // width))
    ports = {
        port: kernel.sequence(drawn(steps, rows, *value.shape), downwards=False)
        for port, value in values.items()
    }
    for i, leaf in enumerate(program.carried):
        ports |= {f"{end}_{i}": kernel.row(drawn(rows, *leaf.shape)) for end in ("first", "last")}
    return lambda tile: timed(lambda: kernel.launch(name, tile, ports | constants, steps, rows))
