"""Split a step into what needs the loop and what does not.

Every node of the graph is of one kind:

- *constant*: depends on parameters only; computed once a call;
- *input*: depends on the input, not on the carry; computed for all steps at once, before;
- *core*: lies on a path from the incoming to the outgoing carry; the only sequential part;
- *output*: depends on the carry but does not feed it; computed for all steps at once, after.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
from torch import fx

from ostinato.compiler.trace import Trace


class Kind(Enum):
    """When a node is computed."""

    CONSTANT = "constant"
    INPUT = "input"
    CORE = "core"
    OUTPUT = "output"


@dataclass(frozen=True)
class Fission:
    """A step, split.

    Attributes:
        trace: the step.
        kinds: of every node that is needed.
        constants: values of kind constant that another stage reads.
        inputs: values of kind input that the core or the output stage reads.
        exports: core values, and incoming carries, that the output stage reads.
    """

    trace: Trace
    kinds: dict[fx.Node, Kind]
    constants: tuple[fx.Node, ...]
    inputs: tuple[fx.Node, ...]
    exports: tuple[fx.Node, ...]

    def of(self, kind: Kind) -> list[fx.Node]:
        """The operations of one kind, in the order of execution."""
        return [
            node
            for node, found in self.kinds.items()
            if found is kind and node.op == "call_function"
        ]


def split(trace: Trace) -> Fission:
    """Sort the nodes of a step into kinds and find what crosses between the stages."""
    needed = ancestors([n for n in (*trace.new_carry, *trace.outputs) if isinstance(n, fx.Node)])
    feeding = ancestors(list(trace.new_carry))
    kinds: dict[fx.Node, Kind] = {}
    for node in trace.nodes:
        if node.op != "output" and (node in needed or node.op == "placeholder"):
            kinds[node] = _kind(node, trace, kinds, feeding)
    return regroup(trace, kinds)


def regroup(trace: Trace, kinds: dict[fx.Node, Kind]) -> Fission:
    """The split of a step by given kinds."""
    return Fission(
        trace=trace,
        kinds=kinds,
        constants=_crossing(trace, kinds, Kind.CONSTANT),
        inputs=_crossing(trace, kinds, Kind.INPUT),
        exports=_crossing(trace, kinds, Kind.CORE),
    )


def _kind(node: fx.Node, trace: Trace, kinds: dict[fx.Node, Kind], feeding: set[fx.Node]) -> Kind:
    if node in trace.carry:
        return Kind.CORE
    if node in trace.x:
        return Kind.INPUT
    if is_size(node):
        # How many rows there are is known to every stage by itself.
        return Kind.CONSTANT
    before = {kinds[source] for source in node.all_input_nodes}
    if before & {Kind.CORE, Kind.OUTPUT}:
        return Kind.CORE if node in feeding else Kind.OUTPUT
    # A tensor made of the number of rows alone has rows, so it is no constant.
    sized = any(is_size(source) for source in node.all_input_nodes)
    return Kind.INPUT if Kind.INPUT in before or sized else Kind.CONSTANT


def is_size(node: fx.Node) -> bool:
    """Whether a node is the number of rows, or computed from it alone."""
    return node.op == "call_function" and not isinstance(
        node.meta.get("val"), (torch.Tensor, tuple, list)
    )


def _crossing(trace: Trace, kinds: dict[fx.Node, Kind], kind: Kind) -> tuple[fx.Node, ...]:
    """The values of one kind that are read by a node of another, or are results of the step."""
    results: set[Any] = {*trace.outputs}
    if kind is not Kind.CORE:
        results |= {*trace.new_carry}
    return tuple(
        node
        for node, found in kinds.items()
        if found is kind
        and not is_size(node)
        and (node in results or any(_reads(user, kind, kinds) for user in node.users))
    )


def _reads(user: fx.Node, kind: Kind, kinds: dict[fx.Node, Kind]) -> bool:
    """Whether a user of a value belongs to another stage; asking for the size is no reading."""
    return kinds.get(user, kind) is not kind and not is_size(user)


def ancestors(nodes: list[fx.Node]) -> set[fx.Node]:
    """These nodes and all that they are computed from."""
    found: set[fx.Node] = set()
    pending = list(nodes)
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending.extend(node.all_input_nodes)
    return found
