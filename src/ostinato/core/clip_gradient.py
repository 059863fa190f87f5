"""The gradient of a tensor, clipped on its way back.

Backward the elements g of the cotangent become

    clip(g) = min(max(g, −limit), limit),    0 where g is NaN or infinite

and forward nothing happens. A recurrence calls it at every step, so that what one step passes on
to the one before stays bounded, where a clip of the whole gradient comes too late.

Source: an option for the recurrent gradient in Pöppel, Beck & Hochreiter 2025, "FlashRNN:
I/O-Aware Optimization of Traditional RNNs on modern hardware", arXiv 2412.07752.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError, EngineError

__papers__ = ("flashrnn",)

_NAME = "ostinato::clip_gradient"
torch.library.define(_NAME, "(Tensor x, float limit) -> Tensor", tags=(torch.Tag.pointwise,))
OPERATION = torch.ops.ostinato.clip_gradient
"""What a recorded step has in its graph: one operation."""
NO_SECOND_DERIVATIVE = (
    "A gradient that clip_gradient clipped cannot be differentiated again: on its way through the "
    "forward pass the second derivative would be clipped, too. Run the step without the clip where "
    "create_graph=True is needed."
)
"""Why a second derivative is refused."""


def clip_gradient(x: Tensor, limit: float) -> Tensor:
    """Return x unchanged; backward its gradient is clipped, and is 0 where it is not finite.

    The gradient cannot be differentiated again. Forward mode has no gradient to be clipped, and
    takes the function for the identity that it is. Example::

        def step(h, x):
            h = torch.tanh(x + ost.clip_gradient(h, 1.0) @ recur)
            return h, h

    Args:
        x: real numbers, of any shape.
        limit: the largest size of an element of the gradient; ∞ clips nothing, and still
            replaces what is not finite.

    Raises:
        ArgumentError: if x is not of real numbers, or the limit is not positive.
    """
    check_limit(limit, "limit")
    if not x.is_floating_point():
        raise ArgumentError(f"clip_gradient takes a tensor of real numbers; got {x.dtype}.")
    if torch.compiler.is_compiling():
        # torch's compiler reads no function with a forward-mode derivative.
        return OPERATION(x, limit)  # type: ignore[no-any-return]
    return _ClipGradient.apply(x, limit)  # type: ignore[no-any-return, no-untyped-call]


def check_limit(limit: float, name: str) -> None:
    """Raise unless a limit is a positive number; infinity is one.

    Raises:
        ArgumentError: naming the limit.
    """
    number = isinstance(limit, int | float) and not isinstance(limit, bool)
    if not number or not limit > 0:
        raise ArgumentError(
            f"{name} must be a positive number, or math.inf to clip nothing; got {limit!r}. To let "
            "no gradient through, detach the tensor."
        )


class _ClipGradient(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, limit: float) -> Tensor:
        # The operation has this function for its gradient.
        with torch._C._AutoDispatchBelowAutograd():
            return OPERATION(x, limit)  # type: ignore[no-any-return]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ctx.limit = inputs

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return _Clip.apply(grads[0], ctx.limit), None  # type: ignore[no-untyped-call]

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> Tensor:
        return tangents[0].clone()


class _Clip(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(g: Tensor, limit: float) -> Tensor:
        return torch.where(g.abs() < math.inf, g.clamp(-limit, limit), 0.0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        raise EngineError(NO_SECOND_DERIVATIVE)


@torch.library.impl(_NAME, "default")
def _forward(x: Tensor, limit: float) -> Tensor:
    return x.clone()


@torch.library.impl(_NAME, "Autograd")
def _differentiable(x: Tensor, limit: float) -> Tensor:
    return _ClipGradient.apply(x, limit)  # type: ignore[no-any-return, no-untyped-call]


@torch.library.register_vmap(_NAME)  # type: ignore[untyped-decorator]
def _along(
    info: Any, axes: tuple[int | None, None], x: Tensor, limit: float
) -> tuple[Tensor, int | None]:
    return OPERATION(x, limit), axes[0]
