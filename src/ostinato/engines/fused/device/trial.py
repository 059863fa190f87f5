"""Runs of a program on random data, for the time that a form or a tile takes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ostinato.engines.fused.device.port import Port
from ostinato.engines.fused.program import Program
from ostinato.engines.tuned import timed

# Enough steps to be longer than a launch, in not more memory than a call itself takes.
MOST, _NUMBERS = 256, 2**26
# Runs a program: ports without those of constants, and T.
Run = Callable[[dict[str, Port], int], None]


def trial(
    program: Program, rows: int, dtype: torch.dtype, device: str, most: int
) -> Callable[[Run], float]:
    """A function that returns the microseconds of a run, the same data for every one.

    Args:
        program: what is run.
        rows: B.
        dtype: of states and sequences.
        device: the kind of device.
        most: steps, or as many as there is room for.
    """
    values = program.results | program.read
    generator = torch.Generator(device).manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        # Not from the generator of whoever calls, whose numbers would be others then.
        room = torch.empty(shape, dtype=dtype, device=device)
        return room.normal_(generator=generator)

    width = max(1, rows * sum(value.size for value in values.values()))
    steps = min(most, max(8, _NUMBERS // width))
    ports = {}
    for port, value in values.items():
        sequence = drawn(steps, rows, *value.shape)
        ports[port] = Port(sequence, sequence.stride(0), sequence.stride(1))
    for i, leaf in enumerate(program.carried):
        for end in ("first", "last"):
            state = drawn(rows, *leaf.shape)
            ports[f"{end}_{i}"] = Port(state, 0, state.stride(0))
    return lambda run: timed(lambda: run(ports, steps))
