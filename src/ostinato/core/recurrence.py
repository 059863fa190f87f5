"""A recurrence to be evaluated: the step, its inputs, and everything that shapes its meaning.

This is what engines receive. It is always time-major; layers and `scan` build it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.core.errors import ArgumentError, ShapeError
from ostinato.core.sequence import masked_step, zero_padding
from ostinato.core.state import State, check_like, leaves, map_state

Step = Callable[[State, Any], tuple[State, Any]]
"""`(carry, x) -> (carry, y)`."""


@dataclass(frozen=True)
class Recurrence:
    """carry_t, y_t = step(carry_{t−1}, x_t) for t = 0 … T−1, or downwards if `reverse`.

    Attributes:
        step: the step.
        init: the carry before the first step.
        xs: tree of inputs, leaves (T, ...).
        steps: T.
        reverse: run from the last step to the first; outputs stay in the order of time.
        valid: (T, B) bool, false on padding: there the carry is held and y is zero.
        restart: (T, B) bool, true where the carry is put back to `fresh` before the step.
        fresh: the carry of a restart.
        checkpoint: keep the carry of every k-th step only, and recompute the rest for the
            gradient.
        cell: the module whose forward is the step and nothing else, if there is one.
        identity: what makes two steps the same, a module or the `Identity` of a function first;
            None: not known.
        rebuild: a function of a Python module that makes the step of its identity.
        first: where its steps begin, if they are a window of a longer call.
    """

    step: Step
    init: State
    xs: Any
    steps: int
    reverse: bool = False
    valid: Tensor | None = None
    restart: Tensor | None = None
    fresh: State = None
    checkpoint: int | None = None
    cell: nn.Module | None = None
    identity: tuple[Any, ...] | None = None
    rebuild: Callable[..., Step] | None = None
    first: int = 0

    @property
    def name(self) -> str:
        """What to call the step in messages."""
        named = self.cell if self.cell is not None else self.step
        return getattr(named, "__name__", type(named).__name__)

    def without_masks(self) -> Recurrence:
        """The same recurrence with its masks made inputs of the step."""
        if self.valid is None and self.restart is None:
            return self
        xs = self.xs if self.valid is None else zero_padding(self.xs, self.valid)
        fresh = None
        if self.restart is not None:
            # A view, so that the step depends on nothing but its inputs.
            fresh = map_state(lambda leaf: leaf.expand(self.steps, *leaf.shape), self.fresh)
        return replace(
            self,
            step=masked_step(self.step),
            xs=(xs, self.valid, self.restart, fresh),
            valid=None,
            restart=None,
            cell=None,
            identity=self.identity
            and (*self.identity, self.valid is not None, self.restart is not None),
        )

    def empty_outputs(self) -> Any:
        """The outputs of no steps at all, leaves (0, ...), found by one step on zeros."""
        x = map_state(lambda leaf: leaf.new_zeros(leaf.shape[1:]), self.xs)
        with torch.no_grad():
            _, y = self.step(self.init, x)
        return map_state(lambda leaf: leaf.new_empty((0, *leaf.shape)), y)

    def check_carry(self, carry: State) -> None:
        """Raise unless the carry after a step is like the one before.

        Raises:
            ShapeError: naming both.
        """
        check_like(
            carry,
            self.init,
            f"The state that {self.name} returns",
            "A step must return its state with the structure, shapes and dtypes it received; "
            "it returns (carry, y) as a function of `scan`, (output, new_state) as a cell.",
        )


def count_steps(xs: Any, dim: int) -> int:
    """T, the common size of all leaves of `xs` along `dim`.

    Raises:
        ShapeError: if there are no leaves, they disagree, or one is no tensor.
    """
    for leaf in leaves(xs):
        if not isinstance(leaf, Tensor):
            raise ShapeError(
                f"All inputs must be tensors; got {type(leaf).__name__}: use torch.as_tensor."
            )
    # No set: torch.compile would fix the numbers that go into one.
    sizes = [leaf.shape[dim] for leaf in leaves(xs) if leaf.dim() > dim]
    if not sizes or len(sizes) < len(leaves(xs)) or any(size != sizes[0] for size in sizes):
        shapes = [list(leaf.shape) for leaf in leaves(xs)]
        raise ShapeError(
            f"All inputs need one common number of steps along axis {dim}; got shapes {shapes}."
        )
    return sizes[0]


def checkpoint_interval(checkpoint: bool | int | None, steps: int) -> int | None:
    """How many steps lie between stored carries; True means √T, which costs O(√T) memory.

    Raises:
        ArgumentError: if it is a number below 1.
    """
    if checkpoint is None or checkpoint is False:
        return None
    if checkpoint is True:
        return max(1, math.isqrt(steps))
    if checkpoint < 1:
        raise ArgumentError(
            f"checkpoint must be True (every √T steps) or a number of steps ≥ 1; got {checkpoint}."
        )
    return checkpoint


def batch_of(xs: Any, init: State) -> int:
    """B, read off the carry, or off the inputs (T, B, ...) if the carry has no leaves.

    Raises:
        ShapeError: if neither has a batch axis.
    """
    sizes = [leaf.shape[0] for leaf in leaves(init) if leaf.dim()]
    sizes += [leaf.shape[1] for leaf in leaves(xs) if leaf.dim() > 1]
    if sizes:
        return sizes[0]
    raise ShapeError(
        "lengths and resets need a batch: the first axis of every carry, the second of every "
        "input after time. Neither the carry nor the inputs have one."
    )
