"""`scan`: the one entry point for a recurrence given as a function of one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.core.errors import CellError
from ostinato.core.identity import identify
from ostinato.core.recurrence import Recurrence, Step, batch_of, checkpoint_interval, count_steps
from ostinato.core.registry import evaluate
from ostinato.core.sequence import restart_steps, valid_steps, zero_padding
from ostinato.core.state import State, leaves, move_axis
from ostinato.core.statistics import Statistics, collected


def scan(
    combine_fn: Step,
    init: State,
    xs: Any,
    dim: int = 0,
    reverse: bool = False,
    *,
    engine: str = "auto",
    lengths: Tensor | Sequence[int] | None = None,
    resets: Tensor | None = None,
    checkpoint: bool | int | None = None,
    return_stats: bool = False,
) -> tuple[Any, ...]:
    """Carry a state over the steps of a sequence.

        carry_t, y_t = combine_fn(carry_{t−1}, x_t),   t = 0 … T−1

    The signature of `jax.lax.scan` and of torch's prototype, and their meaning. `combine_fn`
    is any callable, closures and modules included; gradients flow to everything it uses.

        carry, ys = ost.scan(lambda h, x: (0.9 * h + x, h), torch.zeros(3), torch.ones(10, 3))

    Args:
        combine_fn: `(carry, x) -> (carry, y)`; it must return a carry of unchanged structure,
            shapes and dtypes. The output y is any tree of tensors, or None.
        init: carry before the first step, a tree of tensors.
        xs: tree of tensors that all have T steps along `dim`.
        dim: the axis of time in `xs` and in the outputs.
        reverse: run from the last step to the first. Outputs stay in the order of time.
        engine: "auto", or the name of one engine, which then must honour every option.
        lengths: (B,) valid steps of each row: later steps leave the carry as it is and put
            out zero. B is the first axis of every carry leaf, and of every input and output
            leaf once `dim` is taken away.
        resets: (B, T) bool, true on the first step of a new sequence (in the order of time,
            also under `reverse`): the carry is put back to `init` there.
        checkpoint: store the carry of every k-th step only and recompute the steps between
            for the gradient; True: k = √T.
        return_stats: also return the `Statistics` of the call: iterations and residual of every
            window that `engine="parallel"` solved by Newton's method.

    Returns:
        The carry after the last step, and the outputs, stacked along `dim`; with `return_stats`
        the statistics third.

    Raises:
        ShapeError: if inputs, carry, lengths or resets do not fit together.
        CellError: if `combine_fn` does not return a pair.
        EngineError: if the named engine cannot honour the request.
    """
    if not callable(combine_fn):
        raise CellError(
            f"combine_fn must be callable as (carry, x) -> (carry, y); "
            f"got {type(combine_fn).__name__}."
        )
    steps = count_steps(xs, dim)
    recurrence = Recurrence(
        step=combine_fn,
        init=init,
        xs=move_axis(xs, dim, 0),
        steps=steps,
        reverse=reverse,
        checkpoint=checkpoint_interval(checkpoint, steps),
        identity=_identity(combine_fn),
        rebuild=_itself,
    )
    recurrence = with_masks(recurrence, lengths, resets, fresh=init)
    if not return_stats:
        carry, ys = run(recurrence, engine)
        return carry, move_axis(ys, 0, dim)
    with collected() as solves:
        carry, ys = run(recurrence, engine)
    return carry, move_axis(ys, 0, dim), Statistics(tuple(solves))


def _identity(step: Step) -> tuple[Any, ...] | None:
    if isinstance(step, nn.Module):
        return (step,)
    # torch's compiler reads this function and cannot read what `identify` does.
    known = None if torch.compiler.is_compiling() else identify(step)
    return None if known is None else (known,)


def with_masks(
    recurrence: Recurrence,
    lengths: Tensor | Sequence[int] | None,
    resets: Tensor | None,
    fresh: State,
) -> Recurrence:
    """Add lengths (B,) and resets (B, T) to a recurrence; a reset puts the carry to `fresh`."""
    if lengths is None and resets is None:
        return recurrence
    batch, steps = batch_of(recurrence.xs, recurrence.init), recurrence.steps
    device = leaves((recurrence.init, recurrence.xs))[0].device
    valid = restart = None
    if lengths is not None:
        valid = valid_steps(torch.as_tensor(lengths).to(device), batch, steps)
    if resets is not None:
        restart = restart_steps(resets.to(device), batch, steps, recurrence.reverse)
    return replace(recurrence, valid=valid, restart=restart, fresh=fresh)


def run(recurrence: Recurrence, engine: str) -> tuple[State, Any]:
    """Evaluate a recurrence and zero its outputs on padding."""
    carry, ys = evaluate(recurrence, engine)
    if recurrence.valid is not None:
        ys = zero_padding(ys, recurrence.valid)
    return carry, ys


def _itself(step: Step) -> Step:
    return step
