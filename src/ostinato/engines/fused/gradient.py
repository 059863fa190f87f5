"""A compiled core as one differentiable operation on tensors.

    (initial carry, inputs of all steps, constants) -> (last carry, exports of all steps)

The gradient is the reverse loop. Second derivatives go through the core as torch operations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from ostinato.core.clip_gradient import NO_SECOND_DERIVATIVE
from ostinato.core.errors import EngineError
from ostinato.engines.fused import ir
from ostinato.engines.fused.loop import Loop
from ostinato.engines.fused.programs import is_carry, port_of

X = TypeVar("X")


@dataclass(frozen=True)
class Call:
    """What is the same for forward and backward of one call.

    Attributes:
        kernel: the compiled core.
        steps: T.
        rows: B.
        reverse: whether time runs downwards.
        constants: as the kernel reads them.
        step: one step of the core in torch operations, (carry, inputs, constants) ->
            (new carry, exports), lists of tensors (B, ...).
    """

    kernel: Loop
    steps: int
    rows: int
    reverse: bool
    constants: Any
    step: Callable[[list[Tensor], list[Tensor], list[Tensor]], tuple[list[Tensor], list[Tensor]]]

    def sequence(self, tensor: Tensor, backwards: bool = False) -> Any:
        """The port of (T, B, ...), from the step that is run first."""
        return self.kernel.sequence(tensor, self.reverse != backwards)

    def empty(self, shape: tuple[int, ...], extra: int = 0) -> Tensor:
        """Room for (T + extra, B, *shape)."""
        return self.kernel.room((self.steps + extra, self.rows, *shape))

    def like(self, tensor: Tensor) -> Tensor:
        """Room for the gradient of (T, B, ...), with rows and steps in the same order."""
        if tensor.stride(1) > tensor.stride(0):
            steps, rows, *rest = tensor.shape
            return self.kernel.room((rows, steps, *rest)).transpose(0, 1)
        return self.kernel.room(tuple(tensor.shape))

    def trajectory(self, init: Tensor) -> Tensor:
        """Room for a carry before every step and after the last (T + 1, B, ...)."""
        trajectory = self.empty(init.shape[1:], 1)
        trajectory[-1 if self.reverse else 0] = init
        return trajectory

    def before(self, trajectory: Tensor) -> Tensor:
        """The carry before every step (T, B, ...)."""
        return trajectory[1:] if self.reverse else trajectory[:-1]

    def after(self, trajectory: Tensor) -> Tensor:
        """The carry after every step (T, B, ...)."""
        return trajectory[:-1] if self.reverse else trajectory[1:]

    def parts(self, tensors: tuple[X, ...]) -> tuple[list[X], ...]:
        """What belongs to the initial carry, the inputs and the constants."""
        core = self.kernel.core
        a, b = len(core.carry), len(core.carry) + len(core.inputs)
        return list(tensors[:a]), list(tensors[a:b]), list(tensors[b:])


class Fused(torch.autograd.Function):
    """The core over all steps."""

    @staticmethod
    def forward(ctx: Any, call: Call, *tensors: Tensor) -> Any:
        """Run the loop; `tensors` are initial carry, inputs and constants."""
        last, exports, kept = forward(call, tensors, saving=True)
        ctx.call, ctx.given = call, len(tensors)
        # What is given out shares memory with what is kept: saving it too reveals a change of it.
        ctx.save_for_backward(*tensors, *kept, *exports)
        return (*last, *exports)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """The reverse loop; or, for a second derivative, torch's own over the core."""
        call: Call = ctx.call
        saved = ctx.saved_tensors
        tensors, kept = saved[: ctx.given], saved[ctx.given :]
        wanted = ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():
            return (None, *_differentiable(call, tensors, wanted, grads))
        return (None, *backward(call, tensors, kept, wanted, grads))


def forward(
    call: Call, tensors: tuple[Tensor, ...], saving: bool
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """The forward loop.

    Returns:
        The last carry, the exports, and what `backward` needs if `saving`: the trajectory of
        every carry, and the saved values of all steps side by side.
    """
    core, (init, inputs, _) = call.kernel.core, call.parts(tensors)
    name = "forward_saving" if saving else "forward"
    program = call.kernel.programs[name]
    ports: dict[str, Any] = {f"input_{i}": call.sequence(x) for i, x in enumerate(inputs)}
    trajectories: dict[int, Tensor] = {}
    last = [torch.empty_like(leaf) for leaf in init]
    for i, leaf in enumerate(core.carry):
        if leaf in program.carried:
            place = list(program.carried).index(leaf)
            ports |= {
                f"first_{place}": call.kernel.row(init[i]),
                f"last_{place}": call.kernel.row(last[i]),
            }
        else:
            trajectories[i] = call.trajectory(init[i])
            ports[f"before_{i}"] = call.sequence(call.before(trajectories[i]))
            ports[f"carry_{i}"] = call.sequence(call.after(trajectories[i]))
    put_out = {i: call.empty(v.shape) for i, v in enumerate(core.exports) if not is_carry(core, v)}
    ports |= {f"export_{i}": call.sequence(tensor) for i, tensor in put_out.items()}
    saved = call.empty((_width(call.kernel.backward.saved),)) if saving else None
    if saved is not None:
        ports |= {port: call.sequence(part) for port, part in _saved(call, saved).items()}
    call.kernel.run(name, ports, call.constants, call.steps, call.rows)
    for i, trajectory in trajectories.items():
        last[i].copy_(trajectory[0 if call.reverse else -1])
    exports = [
        put_out[i] if i in put_out else _exported(call, value, trajectories)
        for i, value in enumerate(core.exports)
    ]
    return last, exports, [*trajectories.values(), *([] if saved is None else [saved])]


def _exported(call: Call, value: ir.Value, trajectories: dict[int, Tensor]) -> Tensor:
    """A carry that is put out: part of its trajectory."""
    core = call.kernel.core
    if value in core.new_carry:
        part = call.after(trajectories[core.new_carry.index(value)])
    else:
        part = call.before(trajectories[core.carry.index(value)])
    # Not a view to autograd, so that whoever gets it may change it.
    return part.data


def _width(saved: tuple[ir.Value, ...]) -> int:
    return sum(value.size for value in saved)


def _saved(call: Call, saved: Tensor) -> dict[str, Tensor]:
    """The saved values by port, which lie side by side (T, B, width)."""
    sizes = [value.size for value in call.kernel.backward.saved]
    return {f"saved_{i}": part for i, part in enumerate(torch.split(saved, sizes, -1))}


def backward(
    call: Call,
    tensors: tuple[Tensor, ...],
    kept: tuple[Tensor, ...],
    wanted: tuple[bool, ...],
    grads: tuple[Tensor, ...],
) -> list[Tensor | None]:
    """Gradients of initial carry, inputs and constants; None where none is wanted.

    Args:
        call: as in `forward`.
        tensors: as in `forward`.
        kept: what `forward` returned for it.
        wanted: which of `tensors` need a gradient.
        grads: of the last carry and of the exports.
    """
    core, gradient = call.kernel.core, call.kernel.backward
    count, (_, inputs, _) = len(core.carry), call.parts(tensors)
    _, wanted_inputs, wanted_constants = call.parts(wanted)
    program = call.kernel.programs["backward"]
    grad_last = [grad.contiguous() for grad in grads[:count]]
    grad_init = [torch.empty_like(grad) for grad in grad_last]
    ports = {f"first_{i}": call.kernel.row(each) for i, each in enumerate(grad_last)}
    ports |= {f"last_{i}": call.kernel.row(each) for i, each in enumerate(grad_init)}
    held = {f"input_{i}": tensor for i, tensor in enumerate(inputs)}
    held |= {f"before_{i}": call.before(tensor) for i, tensor in enumerate(kept[:count])}
    held |= {f"grad_export_{i}": tensor for i, tensor in enumerate(grads[count:])}
    held = {port: rows_contiguous(each) for port, each in held.items() if port in program.read}
    held |= _saved(call, kept[count])
    for i, value in enumerate(gradient.inputs):
        if value is not None:
            port = port_of(program.results, value)
            needed = wanted_inputs[i] or port not in call.kernel.optional["backward"]
            if needed and port not in held:
                held[port] = call.like(inputs[i])
    ports |= {port: call.sequence(each, backwards=True) for port, each in held.items()}
    grad_constants = call.kernel.reverse(
        ports, held, call.constants, wanted_constants, call.steps, call.rows, not call.reverse
    )
    grad_inputs = (
        None if v is None else held.get(port_of(program.results, v)) for v in gradient.inputs
    )
    return [*grad_init, *grad_inputs, *grad_constants]


def _differentiable(
    call: Call, tensors: tuple[Tensor, ...], wanted: tuple[bool, ...], grads: tuple[Tensor, ...]
) -> list[Tensor | None]:
    """Gradients that can be differentiated again: the loop over the core in torch operations."""
    core = call.kernel.core
    if any(map(ir.is_clip, ir.reachable((*core.new_carry, *core.exports)))):
        raise EngineError(NO_SECOND_DERIVATIVE)
    init, inputs, constants = call.parts(tensors)
    carry, exports = init, []
    for t in reversed(range(call.steps)) if call.reverse else range(call.steps):
        carry, put_out = call.step(carry, [each[t] for each in inputs], constants)
        exports.append(put_out)
    ordered = exports[::-1] if call.reverse else exports
    results = [*carry, *(torch.stack(column) for column in zip(*ordered, strict=True))]
    linked = [(r, g) for r, g in zip(results, grads, strict=True) if r.requires_grad]
    chosen = [tensor for tensor, needed in zip(tensors, wanted, strict=True) if needed]
    found = iter(
        torch.autograd.grad(
            [r for r, _ in linked],
            chosen,
            [g for _, g in linked],
            create_graph=True,
            allow_unused=True,
        )
    )
    return [next(found) if needed else None for needed in wanted]


def rows_contiguous(tensor: Tensor) -> Tensor:
    """(T, B, ...) with each row's elements one after another; repeated rows stay repeated."""
    expected = torch.empty(tensor.shape[2:], device="meta").stride()
    return tensor if tensor.stride()[2:] == expected else tensor.contiguous()
