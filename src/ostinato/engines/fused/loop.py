"""What a compiled core is to its caller, on the CPU as on a device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from ostinato.engines.fused.derive import Backward
from ostinato.engines.fused.lower import Core
from ostinato.engines.fused.program import Program


class Loop(Protocol):
    """The functions of a core: "forward", "forward_saving" and "backward".

    Attributes:
        core: the core, as it was compiled.
        dtype: float32 or float64.
        backward: the backward step.
        programs: by the names of the functions.
        optional: by the names of the functions, ports that a caller may leave out.
    """

    core: Core
    dtype: torch.dtype
    backward: Backward
    programs: dict[str, Program]
    optional: Any

    def form(self, rows: int, steps: int, training: bool) -> str | None:
        """Which form the loop takes, and why; None where there is but one."""

    def room(self, shape: tuple[int, ...]) -> Tensor:
        """A tensor of arbitrary numbers, where the kernel runs."""

    def constants(self, tensors: Sequence[Tensor]) -> Any:
        """The constants of a call as the functions read them."""

    def sequence(self, tensor: Tensor, downwards: bool) -> Any:
        """The port of (T, B, ...), whose rows are contiguous, from the step that is run first."""

    def row(self, tensor: Tensor) -> Any:
        """The port of (B, ...)."""

    def run(self, name: str, ports: dict[str, Any], constants: Any, steps: int, rows: int) -> None:
        """Call one function over all rows."""

    def microseconds(self, steps: int, rows: int, training: bool) -> float | None:
        """How long all functions of a call take by the estimate; None: there is none."""

    def reverse(
        self,
        ports: dict[str, Any],
        held: dict[str, Tensor],
        constants: Any,
        wanted: Sequence[bool],
        steps: int,
        rows: int,
        downwards: bool,
    ) -> list[Tensor | None]:
        """The reverse loop; returns the gradients of the constants."""
