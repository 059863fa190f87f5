"""Let go of the tensors of one call, and use a plan with those of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, fx

from ostinato.compiler.trace import Trace


def places(trace: Trace, tensors: Sequence[Tensor]) -> dict[str, int] | None:
    """Where the constants of a trace stand among the tensors that its step reaches.

    Returns:
        By the name of a node the place; None if one of them is neither there nor a literal of
        the step itself: where it comes from is then not known.
    """
    known = {id(tensor): place for place, tensor in enumerate(tensors)}
    found = {}
    for node in _constants(trace):
        value = trace.constants[node.name]
        if id(value) in known:
            found[node.name] = known[id(value)]
        elif "literal" not in node.meta:
            return None
    return found


def bound(plan: Any, where: dict[str, int], tensors: Sequence[Tensor] | None) -> Any:
    """A plan with other tensors in the given places; with none, it keeps none of them alive.

    Args:
        plan: has `fission` and `stages`.
        where: as from `places`.
        tensors: those of a call.
    """
    trace: Trace = plan.fission.trace
    given = {name: tensors[place] if tensors else None for name, place in where.items()}
    by_target = {str(n.target): given[n.name] for n in _constants(trace) if n.name in given}
    module = _with(trace.module, by_target)
    constants: dict[str, Any] = trace.constants | given
    return replace(
        plan,
        fission=replace(plan.fission, trace=replace(trace, module=module, constants=constants)),
        stages=replace(plan.stages, constants=_with(plan.stages.constants, by_target)),
    )


def _constants(trace: Trace) -> list[fx.Node]:
    return [node for node in trace.nodes if node.op == "get_attr"]


def _with(module: fx.GraphModule, tensors: dict[str, Tensor | None]) -> fx.GraphModule:
    """The same module, which shares all but the given attributes."""
    other: fx.GraphModule = object.__new__(type(module))
    attributes = vars(module)
    kept = {
        kind: {name: value for name, value in attributes[kind].items() if name not in tensors}
        for kind in ("_parameters", "_buffers")
    }
    vars(other).update(attributes | kept | tensors)
    # Or the graph would keep the module it was made for, and with it the tensors.
    other.graph.owning_module = None
    return other
