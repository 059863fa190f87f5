"""What a device lets a program have: read off the one that is there, or known of a named one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch


@dataclass(frozen=True)
class Target:
    """Limits of a device.

    Attributes:
        name: of the device.
        multiprocessors: how many there are.
        shared: bytes of shared memory that one program can have.
        registers: of 32 bits, of a multiprocessor.
        threads: that a multiprocessor holds at once.
    """

    name: str
    multiprocessors: int
    shared: int
    registers: int
    threads: int

    @property
    def warps(self) -> int:
        """The most warps of a program whose threads may each have all registers of a thread."""
        return self.registers // (32 * MOST_REGISTERS)


# What an instruction can address.
MOST_REGISTERS = 255
SM_90 = Target("sm_90", multiprocessors=132, shared=232_448, registers=65_536, threads=2048)


def target() -> Target:
    """The current device; where there is none, an H100."""
    return _target(torch.cuda.current_device()) if torch.cuda.is_available() else SM_90


@cache
def _target(index: int) -> Target:
    # torch's own declarations leave out some of what it tells.
    found: Any = torch.cuda.get_device_properties(index)
    return Target(
        found.name,
        found.multi_processor_count,
        found.shared_memory_per_block_optin,
        found.regs_per_multiprocessor,
        found.max_threads_per_multi_processor,
    )
