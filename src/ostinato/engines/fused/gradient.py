"""A compiled core as one differentiable operation on tensors.

    (initial carry, inputs of all steps, constants) -> (last carry, exports of all steps)

The gradient is the reverse loop. Second derivatives go through the core as torch operations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ostinato.engines.fused.derive import MatrixSink
from ostinato.engines.fused.kernel import (
    Constants,
    Kernel,
    Port,
    is_carry,
    port_of,
    row_port,
    sequence_port,
)


@dataclass(frozen=True)
class Call:
    """What is the same for forward and backward of one call.

    Attributes:
        kernel: the compiled core.
        steps: T.
        rows: B.
        reverse: whether time runs downwards.
        constants: packed for the kernel.
        step: one step of the core in torch operations, (carry, inputs, constants) ->
            (new carry, exports), lists of tensors (B, ...).
    """

    kernel: Kernel
    steps: int
    rows: int
    reverse: bool
    constants: Constants
    step: Callable[[list[Tensor], list[Tensor], list[Tensor]], tuple[list[Tensor], list[Tensor]]]

    def sequence(self, tensor: Tensor, backwards: bool = False) -> Port:
        """The port of (T, B, ...), from the step that is run first."""
        port = sequence_port(tensor)
        if self.reverse == backwards:
            return port
        last = (self.steps - 1) * port.time * tensor.element_size()
        return Port(port.address + last, -port.time, port.row)

    def empty(self, shape: tuple[int, ...]) -> Tensor:
        """Room for (T, B, *shape)."""
        return torch.empty(self.steps, self.rows, *shape, dtype=self.kernel.dtype)

    def before(self, init: Tensor, trajectory: Tensor) -> Tensor:
        """The carry before every step (T, B, ...)."""
        if self.reverse:
            return torch.cat([trajectory[1:], init[None]])
        return torch.cat([init[None], trajectory[:-1]])

    def parts(self, tensors: tuple[Tensor, ...]) -> tuple[list[Tensor], ...]:
        """Initial carry, inputs and constants."""
        core = self.kernel.core
        a, b = len(core.carry), len(core.carry) + len(core.inputs)
        return list(tensors[:a]), list(tensors[a:b]), list(tensors[b:])


class Fused(torch.autograd.Function):
    """The core over all steps."""

    @staticmethod
    def forward(ctx: Any, call: Call, *tensors: Tensor) -> Any:
        """Run the loop; `tensors` are initial carry, inputs and constants."""
        saving = any(ctx.needs_input_grad)
        kept = _forward(call, tensors, "forward_saving" if saving else "forward")
        trajectory = [kept[f"carry_{i}"] for i in range(len(call.kernel.core.carry))]
        if saving:
            saved = [kept[f"saved_{i}"] for i in range(len(call.kernel.backward.saved))]
            ctx.call = call
            ctx.save_for_backward(*tensors, *trajectory, *saved)
        end = 0 if call.reverse else call.steps - 1
        return (*(each[end].clone() for each in trajectory), *_exports(call, tensors, kept))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """The reverse loop; or, for a second derivative, torch's own over the core."""
        call: Call = ctx.call
        count = sum(map(len, (call.kernel.core.carry, call.kernel.core.inputs)))
        count += len(call.kernel.core.constants)
        saved = ctx.saved_tensors
        tensors, kept = saved[:count], saved[count:]
        if torch.is_grad_enabled():
            return (None, *_differentiable(call, tensors, ctx.needs_input_grad[1:], grads))
        return (None, *_backward(call, tensors, kept, grads))


def _forward(call: Call, tensors: tuple[Tensor, ...], name: str) -> dict[str, Tensor]:
    """The results of the forward loop, by port."""
    init, inputs, _ = call.parts(tensors)
    results = call.kernel.programs[name].results
    kept = {port: call.empty(value.shape) for port, value in results.items()}
    ports = {port: call.sequence(tensor) for port, tensor in kept.items()}
    ports |= {f"input_{i}": call.sequence(tensor) for i, tensor in enumerate(inputs)}
    ports |= {f"init_{i}": row_port(tensor) for i, tensor in enumerate(init)}
    fixed = call.constants.ports(name)
    call.kernel.run(name, ports | fixed, call.steps, call.rows, lambda _: {})
    return kept


def _exports(call: Call, tensors: tuple[Tensor, ...], kept: dict[str, Tensor]) -> list[Tensor]:
    """What the output stage reads; a carry is taken from its trajectory."""
    core, (init, *_) = call.kernel.core, call.parts(tensors)
    exports = []
    for i, value in enumerate(core.exports):
        if not is_carry(core, value):
            exports.append(kept[f"export_{i}"])
        elif value in core.new_carry:
            exports.append(kept[f"carry_{core.new_carry.index(value)}"])
        else:
            which = core.carry.index(value)
            exports.append(call.before(init[which], kept[f"carry_{which}"]))
    return exports


def _backward(
    call: Call, tensors: tuple[Tensor, ...], saved: tuple[Tensor, ...], grads: tuple[Tensor, ...]
) -> list[Tensor | None]:
    """Gradients of initial carry, inputs and constants."""
    core, backward = call.kernel.core, call.kernel.backward
    init, inputs, constants = call.parts(tensors)
    size = len(core.carry)
    before = [call.before(a, b) for a, b in zip(init, saved[:size], strict=True)]
    results = call.kernel.programs["backward"].results
    kept = {port: call.empty(value.shape) for port, value in results.items()}
    grad_last = [grad.contiguous() for grad in grads[:size]]
    grad_init = [torch.empty_like(grad) for grad in grad_last]
    read = {"input": inputs, "before": before, "saved": saved[size:]}
    read["grad_export"] = [rows_contiguous(grad) for grad in grads[size:]]
    sequences = {f"{kind}_{i}": each for kind, of in read.items() for i, each in enumerate(of)}
    ports = {port: call.sequence(each, backwards=True) for port, each in (sequences | kept).items()}
    ports |= {f"first_{i}": row_port(each) for i, each in enumerate(grad_last)}
    ports |= {f"last_{i}": row_port(each) for i, each in enumerate(grad_init)}
    fixed = call.constants.ports("backward")
    threads, dtype = torch.get_num_threads(), call.kernel.dtype
    sums = {
        f"sum_{i}": torch.zeros(threads, *value.shape, dtype=dtype)
        for i, value in backward.constants.items()
    }
    call.kernel.run(
        "backward",
        ports | fixed,
        call.steps,
        call.rows,
        lambda thread: {port: Port(each[thread].data_ptr()) for port, each in sums.items()},
    )
    grad_constants = [
        sums[f"sum_{i}"].sum(0) if i in backward.constants else None for i in range(len(constants))
    ]
    for sink in backward.matrices:
        found = grad_constants[sink.constant]
        product = _matrix_gradient(call, sink, before, inputs, kept)
        grad_constants[sink.constant] = product if found is None else found + product
    grad_inputs = [None if v is None else kept[port_of(results, v)] for v in backward.inputs]
    return [*grad_init, *grad_inputs, *grad_constants]


def _matrix_gradient(
    call: Call,
    sink: MatrixSink,
    before: list[Tensor],
    inputs: list[Tensor],
    kept: dict[str, Tensor],
) -> Tensor:
    """Σ over steps and rows of what went into a product, times what came back."""
    results = call.kernel.programs["backward"].results
    known = {"carry": before, "input": inputs}.get(sink.entering.op)
    entering = (
        kept[port_of(results, sink.entering)] if known is None else (known[sink.entering.attrs])
    )
    returning = kept[port_of(results, sink.returning)]
    if len(call.kernel.core.constants[sink.constant].shape) == 3:
        return torch.einsum("tbhk,tbhn->hkn", entering, returning)
    return entering.reshape(-1, entering.shape[-1]).T @ returning.reshape(-1, returning.shape[-1])


def _differentiable(
    call: Call, tensors: tuple[Tensor, ...], wanted: tuple[bool, ...], grads: tuple[Tensor, ...]
) -> list[Tensor | None]:
    """Gradients that can be differentiated again: the loop over the core in torch operations."""
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
