"""For which devices code is generated, and what each of them asks of a step."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Protocol

import torch

from ostinato.compiler.fission import Fission
from ostinato.compiler.stages import Stages
from ostinato.engines.fused.absorb import absorb
from ostinato.engines.fused.kernel import Kernel
from ostinato.engines.fused.loop import Loop
from ostinato.engines.fused.lower import Core
from ostinato.engines.fused.products import use_own_products
from ostinato.engines.fused.toolchain import find_compiler, no_compiler


class Backend(Protocol):
    """A kind of generated code.

    Attributes:
        device: the kind of device that it runs on.
        window: bytes that the input part may put out at a time, where no gradient is wanted.
        dtypes: that a state may have.
    """

    device: str
    window: int
    dtypes: tuple[torch.dtype, ...]

    def obstacle(self) -> str | None:
        """Why nothing can be compiled here, or None."""

    def divide(self, fission: Fission, dtype: torch.dtype) -> Fission:
        """What the kernel computes itself."""

    def compile(self, core: Core, dtype: torch.dtype) -> Loop:
        """The functions of a core."""

    def prepare(self, stages: Stages) -> None:
        """Change what torch runs around the loop."""


class Cpp:
    """C++ on the CPU: the input part is computed just before it is used, in the cache."""

    device = "cpu"
    dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.float64)
    # What is put out for one window should stay in the cache until the loop reads it.
    window = 4 * 2**20

    def obstacle(self) -> str | None:
        """Whether there is a compiler."""
        return None if find_compiler() else no_compiler()

    def divide(self, fission: Fission, dtype: torch.dtype) -> Fission:
        """As much of the input part as can be expressed."""
        return absorb(fission, dtype)

    def compile(self, core: Core, dtype: torch.dtype) -> Loop:
        """By the C++ compiler."""
        return Kernel(core, dtype)

    def prepare(self, stages: Stages) -> None:
        """Products of the input, too, by our own routines."""
        use_own_products(stages.inputs)


class Triton:
    """Triton on a device: products of the input fill it best as one, before the loop.

    Args:
        device: "cuda"; or "cpu" for Triton's interpreter.
        form: that loops take; None: the one that is estimated to be the fastest.
    """

    window = 2**30
    dtypes: tuple[torch.dtype, ...] = (
        torch.float32, torch.float64, torch.bfloat16, torch.float16,
    )  # fmt: skip

    def __init__(self, device: str = "cuda", form: str | None = None) -> None:
        self.device, self._form = device, form

    def obstacle(self) -> str | None:
        """Whether Triton is there."""
        if _has_triton():
            return None
        return "code for CUDA needs 'triton': pip install 'ostinato[gpu]'"

    def divide(self, fission: Fission, dtype: torch.dtype) -> Fission:
        """The core alone."""
        return fission

    def compile(self, core: Core, dtype: torch.dtype) -> Loop:
        """As Triton's source; it is compiled when it is first called."""
        from ostinato.engines.fused.device.kernel import DeviceKernel

        return DeviceKernel(core, dtype, self.device, self._form)

    def prepare(self, stages: Stages) -> None:
        """Nothing: torch's products are the fastest there."""


_BACKENDS: dict[str, Backend] = {"cpu": Cpp(), "cuda": Triton()}


def backend(device: str) -> Backend | None:
    """What generates code for a kind of device, if anything does."""
    return _BACKENDS.get(device)


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None
