"""A new plan is tried on two steps against the step itself before it is trusted.

A trace sees operations, not what autograd was told about them: a `detach`, a `no_grad` block or
a gradient of one's own leave no mark in the graph. Nor is a generated kernel right because it
compiled. So values and gradients are compared once, on random states near the given one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ostinato.compiler.trace import Trace
from ostinato.core.errors import OstinatoError
from ostinato.core.recurrence import Recurrence
from ostinato.core.state import State, index, leaves, map_state
from ostinato.engines.reference import Reference

_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-9}
_STEPS = _ROWS = 2

Run = Callable[[Recurrence], tuple[State, Any]]


def disagreement(
    recurrence: Recurrence,
    constants: list[Tensor],
    run: Run,
    tolerance: float = 0.0,
    gradients: bool = True,
) -> str | None:
    """How an engine differs from the step on a small part of a call, or None.

    Args:
        recurrence: the call.
        constants: parameters and other tensors that the step uses.
        run: evaluates a recurrence on the engine.
        tolerance: what the step itself may lose, where it computes in low precision.
        gradients: whether they are compared, too.
    """
    with torch.inference_mode(False), torch.enable_grad():
        small = _small(recurrence)
        wanted = [t for t in leaves((small.init, small.xs)) if t.requires_grad]
        wanted += [t for t in constants if t.requires_grad and t.is_leaf]
        wanted = wanted if gradients else []
        # The reference first: it tells a step that breaks the contract what is wrong with it.
        try:
            expected = _outcome(small, Reference().run, wanted)
        except RuntimeError as error:
            if isinstance(error, OstinatoError):
                raise
            return f"the step itself fails where gradients are kept: {error}"
        try:
            found = _outcome(small, run, wanted)
        except RuntimeError as error:
            # The step itself can be run, so that another engine will do.
            return f"what was recorded of the step fails: {str(error).splitlines()[0]}"
    for what, ours, theirs in zip(("values", "gradients"), found, expected, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            size = b.detach().abs().nan_to_num(0, 0, 0)
            scale = 1 + float(size.max()) if b.numel() else 1.0
            bound = max(_TOLERANCE.get(b.dtype, 1e-3), tolerance) * scale
            if not torch.allclose(a, b, rtol=0, atol=bound, equal_nan=True):
                return (
                    f"its {what} differ from those of the step, which may detach a tensor, "
                    "switch gradients off, or define a gradient of its own"
                )
    return None


def rounding(traced: Trace) -> float:
    """How far a step may be from itself computed in higher precision."""
    values = [node.meta.get("val") for node in traced.nodes]
    dtypes = {v.dtype for v in values if isinstance(v, Tensor) and v.is_floating_point()}
    return 8 * max((torch.finfo(dtype).eps for dtype in dtypes), default=0.0)


def _small(recurrence: Recurrence) -> Recurrence:
    """The first steps of the first rows, from a random state, as roots of a new graph."""
    generator = torch.Generator().manual_seed(0)

    def near(leaf: Tensor) -> Tensor:
        part = leaf[:_ROWS].detach()
        noise = torch.rand(part.shape, generator=generator, dtype=part.dtype)
        return (part + noise.to(part.device) - 0.5).requires_grad_()

    def root(leaf: Tensor) -> Tensor:
        part = leaf.detach().clone()
        return part.requires_grad_(part.is_floating_point())

    xs = index(recurrence.xs, (slice(0, _STEPS), slice(0, _ROWS)))
    steps = min(recurrence.steps, _STEPS)
    return replace(
        recurrence,
        init=map_state(near, recurrence.init),
        xs=map_state(root, xs),
        steps=steps,
        checkpoint=None,
    )


def _outcome(
    recurrence: Recurrence, run: Run, wanted: list[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """Results and gradients of a few steps."""
    results = [leaf for leaf in leaves(run(recurrence)) if leaf.is_floating_point()]
    linked = [leaf for leaf in results if leaf.requires_grad]
    if not linked or not wanted:
        return results, [torch.zeros_like(each) for each in wanted]
    loss = torch.stack([(leaf * leaf + leaf).sum() for leaf in linked]).sum()
    gradients = torch.autograd.grad(loss, wanted, allow_unused=True)
    filled = zip(wanted, gradients, strict=True)
    return results, [torch.zeros_like(w) if g is None else g for w, g in filled]
