"""The loop of a compiled core as an operation of torch, for graphs that torch compiles.

    ostinato::fused_loop(key, steps, rows, reverse, wanted, tensors) -> results

Kernels are named by a digest of what they compute: a graph that torch keeps on disk finds the
same kernel in the next process.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from ostinato.core.errors import EngineError
from ostinato.core.estimate import at
from ostinato.engines.fused import ir
from ostinato.engines.fused.gradient import Call, backward, forward, rows_contiguous
from ostinato.engines.fused.loop import Loop

_kernels: dict[str, Loop] = {}


def register(kernel: Loop) -> str:
    """The name under which the operation finds a kernel."""
    key = sha256(_description(kernel).encode()).hexdigest()[:32]
    _kernels.setdefault(key, kernel)
    return key


def loop(kernel: Loop, steps: int, rows: int, reverse: bool, tensors: list[Tensor]) -> list[Tensor]:
    """Last carry (B, ...) and exports (T, B, ...) of a core.

    Args:
        kernel: the compiled core.
        steps: T.
        rows: B.
        reverse: whether time runs downwards.
        tensors: initial carry, inputs of all steps, constants.
    """
    wanted = [torch.is_grad_enabled() and tensor.requires_grad for tensor in tensors]
    results = fused_loop(register(kernel), steps, rows, reverse, wanted, tensors)
    return list(results[: len(kernel.core.carry) + len(kernel.core.exports)])


@torch.library.custom_op("ostinato::fused_loop", mutates_args=())
def fused_loop(
    key: str, steps: int, rows: int, reverse: bool, wanted: list[bool], tensors: list[Tensor]
) -> list[Tensor]:
    """Last carry, exports, and if a gradient is wanted what it needs besides them."""
    with at(tensors):
        call, given = _call(key, steps, rows, reverse, tensors)
        last, exports, kept = forward(call, given, saving=any(wanted))
    given_out = kept if any(wanted) else []
    return [*_distinct([*last, *exports], given_out), *given_out]


@fused_loop.register_fake
def _(
    key: str, steps: int, rows: int, reverse: bool, wanted: list[bool], tensors: list[Tensor]
) -> list[Tensor]:
    kernel, like = _kernel(key), tensors[0]
    core = kernel.core
    shapes = [(rows, *value.shape) for value in core.carry]
    shapes += [(steps, rows, *value.shape) for value in core.exports]
    if any(wanted):
        shapes += [(steps + 1, rows, *value.shape) for value in core.carry]
        shapes += [(steps, rows, sum(value.size for value in kernel.backward.saved))]
    return [like.new_empty(shape) for shape in shapes]


@torch.library.custom_op("ostinato::fused_loop_backward", mutates_args=())
def fused_loop_backward(
    key: str,
    steps: int,
    rows: int,
    reverse: bool,
    wanted: list[bool],
    tensors: list[Tensor],
    kept: list[Tensor],
    grads: list[Tensor],
) -> list[Tensor]:
    """The gradients that are wanted and there; see `_reached`."""
    with at(tensors):
        call, given = _call(key, steps, rows, reverse, tensors)
        found = backward(call, given, tuple(kept), tuple(wanted), tuple(grads))
    reached = zip(found, _reached(call.kernel, wanted), strict=True)
    given_out = [each for each, is_reached in reached if is_reached and each is not None]
    return _distinct([each.contiguous() for each in given_out], [])


@fused_loop_backward.register_fake
def _(
    key: str,
    steps: int,
    rows: int,
    reverse: bool,
    wanted: list[bool],
    tensors: list[Tensor],
    kept: list[Tensor],
    grads: list[Tensor],
) -> list[Tensor]:
    reached = zip(tensors, _reached(_kernel(key), wanted), strict=True)
    return [tensor.new_empty(tensor.shape) for tensor, is_reached in reached if is_reached]


def _remember(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    *ctx.call, tensors = inputs
    core = _kernel(ctx.call[0]).core
    kept = output[len(core.carry) + len(core.exports) :]
    ctx.mark_non_differentiable(*kept)
    ctx.given = len(tensors)
    ctx.save_for_backward(*tensors, *kept)


def _differentiate(ctx: Any, grads: list[Tensor | None]) -> tuple[Any, ...]:
    tensors, kept = list(ctx.saved_tensors[: ctx.given]), list(ctx.saved_tensors[ctx.given :])
    key, steps, rows, _, wanted = ctx.call
    kernel = _kernel(key)
    shapes = [(rows, *value.shape) for value in kernel.core.carry]
    shapes += [(steps, rows, *value.shape) for value in kernel.core.exports]
    filled = [
        tensors[0].new_zeros(shape) if grad is None else grad
        for grad, shape in zip(grads, shapes, strict=False)
    ]
    found = iter(fused_loop_backward(*ctx.call, tensors, kept, filled))
    gradients = [next(found) if reached else None for reached in _reached(kernel, wanted)]
    return (*(None for _ in ctx.call), gradients)


fused_loop.register_autograd(_differentiate, setup_context=_remember)


def _kernel(key: str) -> Loop:
    if key not in _kernels:
        raise EngineError(
            "A compiled graph names a loop that this process has not generated. Compile the "
            "layer in this process; graphs with fused loops cannot be loaded without it."
        )
    return _kernels[key]


def _call(
    key: str, steps: int, rows: int, reverse: bool, tensors: list[Tensor]
) -> tuple[Call, tuple[Tensor, ...]]:
    """The call, and its tensors with rows in one piece."""
    kernel = _kernel(key)
    carries, sequences = len(kernel.core.carry), len(kernel.core.inputs)
    init = [tensor.contiguous() for tensor in tensors[:carries]]
    inputs = [rows_contiguous(tensor) for tensor in tensors[carries : carries + sequences]]
    constants = tensors[carries + sequences :]
    call = Call(kernel, steps, rows, reverse, kernel.constants(constants), _no_step)
    return call, (*init, *inputs, *constants)


def _no_step(*_: Any) -> Any:
    raise EngineError("The second derivative of a compiled graph is not defined by torch.")


def _reached(kernel: Loop, wanted: list[bool]) -> list[bool]:
    """Which of initial carry, inputs and constants get a gradient: wanted, and not zero."""
    core, gradient = kernel.core, kernel.backward
    of_constants = {*gradient.constants, *(sink.constant for sink in gradient.matrices)}
    there = (
        *(True for _ in core.carry),
        *(value is not None for value in gradient.inputs),
        *(i in of_constants for i in range(len(core.constants))),
    )
    return [a and b for a, b in zip(wanted, there, strict=True)]


def _distinct(tensors: list[Tensor], others: list[Tensor]) -> list[Tensor]:
    """The tensors, none in memory of another: an operation must not put out memory twice."""
    known = {tensor.untyped_storage().data_ptr() for tensor in others}
    results = []
    for tensor in tensors:
        place = tensor.untyped_storage().data_ptr()
        results.append(tensor.clone() if place in known else tensor)
        known.add(place)
    return results


def _description(kernel: Loop) -> str:
    """The core as text in which nothing of this process appears."""
    core = kernel.core
    results = (*core.new_carry, *core.exports)
    leaves = (*core.carry, *core.inputs, *core.constants)
    places = {value: i for i, value in enumerate(dict.fromkeys((*leaves, *ir.reachable(results))))}
    values = [
        (value.op, [places[arg] for arg in value.args], value.shape, value.attrs)
        for value in places
    ]
    sizes = (len(core.carry), len(core.inputs), len(core.constants))
    return repr(
        (type(kernel).__name__, kernel.dtype, sizes, values, [places[value] for value in results])
    )
