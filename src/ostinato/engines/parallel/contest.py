"""Whether Newton's method is faster on a device than the next best engine: measured, once.

Estimates know neither how well a device overlaps an iteration with the look at its residuals, nor
how fast generated code has become. So where they are near each other both engines run the call,
and `tuned` remembers the winner for the step, powers of two of T and B, and a number of iterations.
"""

from __future__ import annotations

import math
from contextvars import Context
from dataclasses import replace
from hashlib import sha256

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import Engine
from ostinato.core.state import leaves, map_state
from ostinato.engines import tuned
from ostinato.engines.parallel.evaluate import Plan

# Of estimates that are further apart than this the shorter one is believed.
CLOSE = 4.0
# Passes of each engine that are timed, after one more.
_REPEATS = 3


def winner(
    plan: Plan, recurrence: Recurrence, candidates: dict[str, Engine], iterations: float
) -> str:
    """The name of the faster engine; where nothing may be measured the first one.

    Args:
        plan: of the step.
        recurrence: the call.
        candidates: engines that take it by name, the one of the best estimate first.
        iterations: that are expected of Newton's method.
    """
    steps, rows = recurrence.steps, len(leaves(recurrence.init)[0])
    sizes = tuned.size_class(steps), tuned.size_class(rows), math.ceil(iterations)
    gradient = "training" if torch.is_grad_enabled() else "forward"
    key = ("newton", _content(plan), *sorted(candidates), *sizes, gradient)

    def measure(engine: Engine) -> float:
        # In a context of its own, or those who listen would hear of calls that nobody made.
        return tuned.timed(lambda: Context().run(_once, engine, plan, recurrence), _REPEATS)

    device = leaves(recurrence.init)[0].device.type
    return tuned.choose(key, candidates, measure, device).name


def _once(engine: Engine, plan: Plan, recurrence: Recurrence) -> None:
    """A call, and its gradient if one is wanted."""
    roots = [map_state(_root, tree) for tree in (recurrence.init, recurrence.fresh, recurrence.xs)]
    init, fresh, xs = roots
    results = engine.run(replace(recurrence, init=init, fresh=fresh, xs=xs))
    linked = [leaf for leaf in pytree.tree_leaves(results) if _linked(leaf)]
    if torch.is_grad_enabled() and linked:
        tensors = [*pytree.tree_leaves(roots), *plan.fission.trace.constants.values()]
        wanted = [each for each in tensors if _linked(each)]
        ones = [torch.ones_like(leaf) for leaf in linked]
        torch.autograd.grad(linked, wanted, ones, allow_unused=True)


def _root(leaf: Tensor) -> Tensor:
    """The same numbers in a graph that ends here, with a gradient where one is wanted."""
    return leaf.detach().requires_grad_(leaf.requires_grad)


def _linked(value: object) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _content(plan: Plan) -> str:
    """What does not change from process to process: the step, and what it is made of."""
    trace = plan.fission.trace
    values = [*trace.carry, *trace.x, *(n for n in trace.nodes if n.name in trace.constants)]
    kinds = [str((node.meta["val"].shape, node.meta["val"].dtype)) for node in values]
    return sha256("\n".join([str(trace.module.graph), *kinds]).encode()).hexdigest()[:16]
