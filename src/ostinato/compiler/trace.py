"""Record one step as a flat graph of core operations.

Parameters, buffers and tensors that the step closes over become constants of the graph; the
batch stays symbolic, so that the graph serves any number of rows.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext
from torch.utils import _pytree as pytree

from ostinato.compiler.decompose import decompositions
from ostinato.core.errors import OstinatoError
from ostinato.core.recurrence import Step
from ostinato.core.state import State

# An unusual number of rows: no feature axis is taken for the batch.
_ROWS = 37


class TraceError(OstinatoError, RuntimeError):
    """A step cannot be recorded; the message names the line of the step."""


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

    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)
    examples = [_fake(mode, leaf) for leaf in (*flat_carry, *flat_x)]
    module = _record(flat, examples, mode)
    _check_rows(mode)
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


def _check_rows(mode: FakeTensorMode) -> None:
    """Refuse a trace that holds for some numbers of rows only.

    All that the step may have asked is whether two tensors have equally many rows.
    """
    assert mode.shape_env is not None
    for guard in mode.shape_env.guards:
        symbols = list(guard.expr.free_symbols)
        equal = guard.expr.subs(dict.fromkeys(symbols, symbols[0]))
        if equal != True:  # noqa: E712 (a truth value of sympy)
            raise TraceError(
                f"the step depends on how many rows there are ({guard.expr}); len(x) fixes "
                "their number where x.shape[0] does not"
            )


def _record(flat: Callable[..., Any], examples: list[Any], mode: FakeTensorMode) -> fx.GraphModule:
    try:
        with mode, torch.no_grad():
            return make_fx(
                flat,
                decomposition_table=decompositions(),
                _allow_non_fake_inputs=True,
                record_stack_traces=True,
            )(*examples)
    except Exception as error:
        raise TraceError(_where(error)) from error


def _where(error: Exception) -> str:
    """What went wrong, at the deepest line that is not inside a library."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "/torch/" not in frame.filename and frame.filename != __file__
    ]
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if "data-dependent" in reason or "DataDependent" in type(error).__name__:
        reason = "Python control flow depends on the value of a tensor"
    if not frames:
        return reason
    return f"{reason}, in {frames[-1].filename}:{frames[-1].lineno}: {frames[-1].line}"


def _fake(mode: FakeTensorMode, leaf: Any) -> Any:
    if leaf is None:
        return None
    example = leaf.new_zeros((_ROWS, *leaf.shape[1:]))
    dims = [DimDynamic.DYNAMIC] + [DimDynamic.STATIC] * (leaf.dim() - 1)
    return mode.from_tensor(example, symbolic_context=StatelessSymbolicContext(dims))


def _attribute(module: fx.GraphModule, path: str) -> Tensor:
    value: Any = module
    for part in path.split("."):
        value = getattr(value, part)
    return value  # type: ignore[no-any-return]
