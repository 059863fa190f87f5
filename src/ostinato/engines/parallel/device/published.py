"""What programs that began one after another tell each other: a flag behind what was written."""

# mypy: disable-error-code="no-untyped-def,untyped-decorator"
from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def publish(flag, said):
    """Let others see what this program wrote, and that it did.

    Args:
        flag: pointer to the program's flag.
        said: what it is set to.
    """
    # All threads have written before one of them says so.
    tl.debug_barrier()
    tl.atomic_xchg(flag, said, sem="release", scope="gpu")


@triton.jit
def awaited(flag):
    """What a flag says, when it is no longer 0.

    Args:
        flag: pointer to it.
    """
    # To add nothing is to look, and orders what is read from here on, which a plain load does not.
    said = tl.atomic_add(flag, 0, sem="acquire", scope="gpu")
    while said == 0:
        said = tl.atomic_add(flag, 0, sem="acquire", scope="gpu")
    tl.debug_barrier()
    return said
