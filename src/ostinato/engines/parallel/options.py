"""The options of Newton's method."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree

from ostinato.core.errors import ArgumentError, nearest
from ostinato.core.recurrence import Recurrence
from ostinato.core.state import State, index
from ostinato.engines.parallel.linearise import METHODS, Method

POLICIES = ("sequential", "warn", "error")
# What numbers must be; None where an option may be left out.
_NUMBERS: dict[str, tuple[tuple[type, ...], str, Callable[[Any], bool]]] = {
    "scale": ((Real,), "a number, at least 0", lambda value: value >= 0),
    "relaxation": ((Real,), "a number above 0", lambda value: value > 0),
    "damping": ((Real,), "a number, at least 0", lambda value: value >= 0),
    "tolerance": ((Real, type(None)), "a number above 0", lambda value: value > 0),
    "iterations": ((Integral,), "a whole number, at least 1", lambda value: value >= 1),
    "window": ((Integral, type(None)), "a whole number, at least 1", lambda value: value >= 1),
}


@dataclass(frozen=True)
class Newton:
    """How to solve.

    Attributes:
        method: what stands for J: "full", J itself; "quasi", its diagonal; "picard", 1; or
            "jacobi", 0.
        scale: α, a factor of what stands for J.
        relaxation: ω, the share of a correction that is made.
        damping: weight that keeps states near those of the iteration before; 0: none.
        shrink: whether damping falls with the residual.
        smooth: whether damped states know later ones too.
        tolerance: of the residual; None: by dtype.
        iterations: the cap.
        window: steps that are solved together; None: what bounds the memory.
        guess: the states to begin from, leaves (T, B, ...), of the whole call, or a function that
            gives those of a window; None: f(init, x_t).
        unsolved: what becomes of rows that are not solved: "sequential", "warn" or "error".
        recompute: whether J is found again for the gradient, in place of being kept.
        trace: whether the states after every iteration are kept.
    """

    method: str = "full"
    scale: float = 1.0
    relaxation: float = 1.0
    damping: float = 0.0
    shrink: bool = True
    smooth: bool = False
    tolerance: float | None = None
    iterations: int = 100
    window: int | None = None
    guess: State | Callable[[Recurrence], State] | None = None
    unsolved: str = "sequential"
    recompute: bool = False
    trace: bool = False

    def __post_init__(self) -> None:
        _check_name("Newton's method has no form", self.method, METHODS)
        _check_name("What is not solved has no policy", self.unsolved, POLICIES)
        for name, (kinds, wanted, fits) in _NUMBERS.items():
            value = getattr(self, name)
            known = isinstance(value, kinds)
            if not known or (value is not None and not (math.isfinite(value) and fits(value))):
                raise ArgumentError(f"{name} must be {wanted}; got {value!r}.")
        if self.smooth and not self.damping:
            raise ArgumentError(
                "smooth chooses how states are damped, and damping is 0: give newton a damping, "
                "0.01 to 1, or leave smooth out."
            )
        if self.guess is not None and not callable(self.guess):
            leaves = pytree.tree_leaves(self.guess)
            if not leaves or not all(isinstance(leaf, Tensor) for leaf in leaves):
                raise ArgumentError(
                    "guess must be the states after all steps, a tree of tensors (T, B, ...), or a "
                    f"function that returns them; got {self.guess!r}."
                )

    @property
    def jacobian(self) -> Method:
        """What stands for J."""
        return METHODS[self.method]

    @property
    def exact(self) -> bool:
        """Whether J stands for itself, and nothing damps."""
        return self.method == "full" and self.scale == 1 and not self.damping

    def to_exact(self) -> Newton:
        """The same with J itself, and nothing that damps."""
        return replace(
            self, method="full", scale=1.0, relaxation=1.0, damping=0.0, shrink=True, smooth=False
        )

    def check(self, recurrence: Recurrence) -> None:
        """Raise unless the states to begin from, if they are given, are those of a call.

        Raises:
            ArgumentError: naming the shapes.
        """
        if self.guess is not None and not callable(self.guess):
            _states(self.guess, recurrence, "hold")

    def begin(self, recurrence: Recurrence) -> list[Tensor] | None:
        """The states to begin a window from, leaves (T, B, ...), if there are any.

        Raises:
            ArgumentError: if they have other shapes.
        """
        if self.guess is None:
            return None
        if callable(self.guess):
            return _states(self.guess(recurrence), recurrence, "return")
        window = slice(recurrence.first, recurrence.first + recurrence.steps)
        return _states(index(self.guess, window), recurrence, "hold")


def _check_name(what: str, name: Any, known: Iterable[str]) -> None:
    if not isinstance(name, str) or name not in known:
        raise ArgumentError(f"{what} {name!r}. {nearest(str(name), known)}")


def _states(given: State, recurrence: Recurrence, verb: str) -> list[Tensor]:
    leaves, init = pytree.tree_leaves(given), pytree.tree_leaves(recurrence.init)
    expected = [(recurrence.steps, *h.shape) for h in init]
    found = [tuple(getattr(leaf, "shape", ())) for leaf in leaves]
    if found != expected:
        raise ArgumentError(
            f"guess must {verb} the states after all steps, leaves {expected}; got {found}."
        )
    return [leaf.detach().to(h.dtype) for leaf, h in zip(leaves, init, strict=True)]
