"""The parts of a split step as modules of their own, run by torch on many rows at once.

The rows of a stage may be those of all steps, T·B of them: parts outside the core do not care
which step a row belongs to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

from ostinato.compiler.fission import Fission, Kind, is_size

VIEWS = (torch.ops.aten.view.default, torch.ops.aten._unsafe_view.default)


@dataclass(frozen=True)
class Stages:
    """What is run around the loop.

    Attributes:
        constants: () -> values of `Fission.constants`; given the tensors of the trace, where
            they were asked for.
        inputs: (rows, x…, constants…) -> values of `Fission.inputs`.
        core: (rows, carry…, inputs…, constants…) -> new carry…, exports…; one step of the loop.
        outputs: (rows, exports…, inputs…, constants…) -> what the step puts out.
    """

    constants: fx.GraphModule
    inputs: fx.GraphModule
    core: fx.GraphModule
    outputs: fx.GraphModule


def stages(fission: Fission, explicit: bool = False) -> Stages:
    """Cut the graph of a step along its kinds.

    Args:
        fission: the split step.
        explicit: make the tensors of `Trace.constants` arguments of the stage of constants.
    """
    trace, fixed, fed = fission.trace, fission.constants, fission.inputs
    tensors = [node for node in trace.nodes if node.name in trace.constants] if explicit else []
    return Stages(
        constants=_stage(fission, Kind.CONSTANT, tensors, fixed),
        inputs=_stage(fission, Kind.INPUT, (*trace.x, *fixed), fed),
        core=_stage(
            fission,
            Kind.CORE,
            (*trace.carry, *fed, *fixed),
            (*trace.new_carry, *fission.exports),
        ),
        outputs=_stage(fission, Kind.OUTPUT, (*fission.exports, *fed, *fixed), trace.outputs),
    )


def _stage(
    fission: Fission, kind: Kind, given: Sequence[fx.Node], results: Sequence[Any]
) -> fx.GraphModule:
    """One kind of nodes as a function of what other kinds computed."""
    graph, env = fx.Graph(), dict[fx.Node, Any]()
    rows = graph.placeholder("rows") if kind is not Kind.CONSTANT else None
    for i, node in enumerate(given):
        env.setdefault(node, graph.placeholder(f"given_{i}"))

    def find(node: fx.Node) -> Any:
        if node not in env and node.target is torch.ops.aten.sym_size.int:
            env[node] = rows
        elif node not in env:
            env[node] = graph.node_copy(node, find)
            if node.target in VIEWS:
                # What crosses between stages may lie in memory otherwise than it was traced.
                env[node].target = torch.ops.aten.reshape.default
        return env[node]

    for node in fission.trace.nodes:
        found = fission.kinds.get(node)
        if found is kind and node.op in ("call_function", "get_attr") and not is_size(node):
            find(node)
    graph.output([fx.map_arg(result, find) for result in results])
    return fx.GraphModule(fission.trace.module, graph)
