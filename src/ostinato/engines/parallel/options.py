"""The options of Newton's method."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from ostinato.core.errors import ArgumentError, nearest
from ostinato.core.recurrence import Recurrence
from ostinato.core.state import State
from ostinato.engines.parallel.linearise import METHODS, Method


@dataclass(frozen=True)
class Newton:
    """How to solve.

    Attributes:
        method: what stands for J: "full", J itself; "quasi", its diagonal; "picard", 1; or
            "jacobi", 0.
        damping: weight that keeps states near those of the iteration before; 0: none.
        smooth: whether damped states know later ones too.
        tolerance: of the residual; None: by dtype.
        iterations: the cap.
        window: steps that are solved together; None: what bounds the memory.
        guess: the states to begin from, leaves (T, B, ...), for a window; None: f(init, x_t).
    """

    method: str = "full"
    damping: float = 0.0
    smooth: bool = False
    tolerance: float | None = None
    iterations: int = 100
    window: int | None = None
    guess: Callable[[Recurrence], State] | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ArgumentError(
                f"Newton's method has no form {self.method!r}. {nearest(self.method, METHODS)}"
            )
        least = {"damping": 0, "tolerance": 0, "iterations": 1, "window": 1}
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and not (value >= bound and math.isfinite(value)):
                raise ArgumentError(f"{name} must be finite and at least {bound}; got {value}.")
        if self.smooth and not self.damping:
            raise ArgumentError(
                "smooth chooses how states are damped, and damping is 0: give newton a damping, "
                "0.01 to 1, or leave smooth out."
            )

    @property
    def exact(self) -> bool:
        """Whether J stands for itself, and nothing damps."""
        return self == self.to_exact()

    def to_exact(self) -> Newton:
        """The same with J itself, and nothing that damps."""
        return replace(self, method="full", damping=0.0, smooth=False)

    @property
    def jacobian(self) -> Method:
        """What stands for J."""
        return METHODS[self.method]
