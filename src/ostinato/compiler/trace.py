"""Record one step as a flat graph of core operations.

Parameters, buffers and tensors that the step closes over become constants of the graph; the
batch stays symbolic, so that the graph serves any number of rows.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from ostinato.compiler.record import record
from ostinato.compiler.rows import TraceError
from ostinato.core.clip_gradient import OPERATION
from ostinato.core.recurrence import Step
from ostinato.core.state import State

__all__ = ["Trace", "TraceError", "drop_clips", "trace"]
# Frames of these folders are not the user's.
_LIBRARIES = f"{Path(torch.__file__).parent}{os.sep}", f"{Path(__file__).parent}{os.sep}"


@dataclass(frozen=True)
class Trace:
    """A step as a graph.

    Attributes:
        module: computes (carry leaves…, x leaves…) -> (new carry leaves…, output leaves…).
        carry: the placeholders of the carry.
        x: the placeholders of the input.
        new_carry: what becomes the carry.
        outputs: what the step puts out.
        constants: tensors by the name of the node that stands for them.
        output_spec: the structure of the output.
    """

    module: fx.GraphModule
    carry: tuple[fx.Node, ...]
    x: tuple[fx.Node, ...]
    new_carry: tuple[fx.Node, ...]
    outputs: tuple[Any, ...]
    constants: dict[str, Tensor]
    output_spec: Any

    @property
    def nodes(self) -> list[fx.Node]:
        """All nodes in the order of execution."""
        return list(self.module.graph.nodes)


def trace(step: Step, carry: State, x: Any) -> Trace:
    """Record `step`.

    Args:
        step: `(carry, x) -> (carry, y)`.
        carry: an example, leaves (B, ...).
        x: an example of the input of one step, leaves (B, ...).

    Raises:
        TraceError: if the step does what a graph cannot hold, with the line.
    """
    flat_carry, carry_spec = pytree.tree_flatten(carry)
    flat_x, x_spec = pytree.tree_flatten(x)
    specs: list[Any] = []

    def flat(*leaves: Any) -> list[Any]:
        state = pytree.tree_unflatten(leaves[: len(flat_carry)], carry_spec)
        new, y = step(state, pytree.tree_unflatten(leaves[len(flat_carry) :], x_spec))
        new_flat, (y_flat, y_spec) = pytree.tree_leaves(new), pytree.tree_flatten(y)
        specs[:] = [y_spec]
        return [*new_flat, *y_flat]

    module = _record(flat, [*flat_carry, *flat_x])
    placeholders = [node for node in module.graph.nodes if node.op == "placeholder"]
    results = module.graph.output_node().args[0]
    count = len(flat_carry)
    return Trace(
        module=module,
        carry=tuple(placeholders[:count]),
        x=tuple(placeholders[count:]),
        new_carry=tuple(results[:count]),  # type: ignore[index,arg-type]
        outputs=tuple(results[count:]),  # type: ignore[index,arg-type]
        constants={
            node.name: _attribute(module, str(node.target))
            for node in module.graph.nodes
            if node.op == "get_attr"
        },
        output_spec=specs[0],
    )


def drop_clips(trace: Trace) -> bool:
    """Leave out, in place, all that a step does to clip gradients; whether it did."""
    clips = [node for node in trace.nodes if node.target is OPERATION.default]
    for node in clips:
        node.target, node.args = torch.ops.aten.alias.default, node.args[:1]
    return bool(clips)


def _record(flat: Callable[..., Any], examples: list[Any]) -> fx.GraphModule:
    try:
        return record(flat, examples)
    except Exception as error:
        raise TraceError(_where(error)) from error


def _where(error: Exception) -> str:
    """What went wrong, at the deepest line that is not inside a library."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_LIBRARIES)
    ]
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if not frames:
        return reason
    return f"{reason}, in {frames[-1].filename}:{frames[-1].lineno}: {frames[-1].line}"


def _attribute(module: fx.GraphModule, path: str) -> Tensor:
    value: Any = module
    for part in path.split("."):
        value = getattr(value, part)
    return value  # type: ignore[no-any-return]
