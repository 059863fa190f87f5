"""The checks of the contract of a cell: each runs it in two ways that must agree.

A check takes the subject and the name of an engine, and returns what it found and what it
should have found, as lists of tensors.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ostinato.core.cell import Cell, take_step
from ostinato.core.errors import ArgumentError, CellError
from ostinato.core.state import State, describe, detach, index, leaves, map_state, rows_like, stack
from ostinato.over.time import RNN

BATCH, STEPS = 3, 7
LENGTHS = (7, 1, 4)
_SMALL = 2.0**-20

Pair = tuple[list[Tensor], list[Tensor]]
"""What was found, and what should have been."""


class Subject:
    """A cell with inputs, a state that it can reach, and noise, all fixed."""

    def __init__(self, cell: Cell, x: Any, dtype: torch.dtype) -> None:
        self.cell = copy.deepcopy(cell).to(dtype)
        self.dtype = dtype
        seed = torch.Generator().manual_seed(0)
        x = _make_input(cell, seed) if x is None else x
        self.x = map_state(lambda leaf: _cast(leaf.detach(), dtype), x)
        self.noise = self.cell.sample_noise(BATCH, STEPS, torch.Generator().manual_seed(1))
        with torch.no_grad():
            _, reached = RNN(self.cell, "reference")(self.x, noise=self.noise)
        self.state = detach(reached)

    def outcome(
        self, engine: str, x: Any = None, noise: Any = "own", reverse: bool = False, **call: Any
    ) -> list[Tensor]:
        """Outputs, last state, and gradients of inputs, state and parameters."""
        noise = self.noise if isinstance(noise, str) else noise
        x = map_state(_leaf, self.x if x is None else x)
        state = map_state(_leaf, call.pop("state", self.state))
        y, new = RNN(self.cell, engine, reverse=reverse)(x, state, noise=noise, **call)
        results = _floating((y, new))
        loss = torch.stack([(t * t + t).sum() for t in results]).sum()
        wanted = [t for t in (*leaves((x, state)), *self.cell.parameters()) if t.requires_grad]
        if not loss.requires_grad:
            return results
        gradients = torch.autograd.grad(loss, wanted, allow_unused=True)
        filled = zip(wanted, gradients, strict=True)
        return results + [torch.zeros_like(w) if g is None else g for w, g in filled]

    def row(self, engine: str, b: int, steps: slice, **call: Any) -> list[Tensor]:
        """The outcome of some steps of one row alone."""
        return self.outcome(
            engine,
            index(self.x, (slice(b, b + 1), steps)),
            index(self.noise, (steps, slice(b, b + 1))),
            state=call.pop("state", index(self.state, slice(b, b + 1))),
            **call,
        )

    def counts(self) -> tuple[int, int, int]:
        """How many tensors of an outcome are outputs, states, and gradients of x."""
        with torch.no_grad():
            y, state = RNN(self.cell, "reference")(self.x, noise=self.noise)
        return len(_floating(y)), len(_floating(state)), len(_floating(self.x))


def _engine_agrees(subject: Subject, engine: str) -> Pair:
    return subject.outcome(engine), subject.outcome("reference")


def _engine_agrees_backwards(subject: Subject, engine: str) -> Pair:
    return subject.outcome(engine, reverse=True), subject.outcome("reference", reverse=True)


def _step_is_sequence(subject: Subject, engine: str) -> Pair:
    rnn, state, outputs = RNN(subject.cell, engine), subject.state, []
    with torch.no_grad():
        y, last = rnn(subject.x, state, noise=subject.noise)
        for t in range(STEPS):
            x_t, noise_t = index(subject.x, (slice(None), t)), index(subject.noise, t)
            y_t, state = rnn.step(x_t, state, noise_t)
            outputs.append(y_t)
    return leaves((y, last)), leaves((stack(outputs, 1), state))


def _one_step(subject: Subject, engine: str) -> Pair:
    first = (index(subject.x, (slice(None), slice(0, 1))), index(subject.noise, slice(0, 1)))
    return subject.outcome(engine, *first), subject.outcome("reference", *first)


def _no_step(subject: Subject, engine: str) -> Pair:
    none = (index(subject.x, (slice(None), slice(0, 0))), index(subject.noise, slice(0, 0)))
    y, state = RNN(subject.cell, engine)(none[0], subject.state, noise=none[1])
    if any(leaf.shape[:2] != (BATCH, 0) for leaf in leaves(y)):
        raise CellError(f"without steps the outputs should be ({BATCH}, 0, ...): {describe(y)}")
    return leaves(state), leaves(subject.state)


def _one_row(subject: Subject, engine: str) -> Pair:
    return subject.row(engine, 1, slice(None)), subject.row("reference", 1, slice(None))


def _not_contiguous(subject: Subject, engine: str) -> Pair:
    scattered = map_state(lambda leaf: leaf.movedim(1, -1).contiguous().movedim(-1, 1), subject.x)
    return subject.outcome(engine, scattered), subject.outcome(engine)


def _ragged(subject: Subject, engine: str, reverse: bool = False) -> Pair:
    whole = subject.outcome(engine, lengths=torch.tensor(LENGTHS), reverse=reverse)
    rows = [
        subject.row("reference", b, slice(0, n), reverse=reverse) for b, n in enumerate(LENGTHS)
    ]
    outputs, states, inputs = subject.counts()
    batched, joined = outputs + states + inputs + len(_floating(subject.state)), []
    for place, parts in enumerate(zip(*rows, strict=True)):
        if place >= batched:
            joined.append(torch.stack(parts).sum(0))
        elif place < outputs or outputs + states <= place < outputs + states + inputs:
            joined.append(torch.cat([_pad(part) for part in parts]))
        else:
            joined.append(torch.cat(parts))
    return whole, joined


def _ragged_backwards(subject: Subject, engine: str) -> Pair:
    return _ragged(subject, engine, reverse=True)


def _padding_is_inert(subject: Subject, engine: str) -> Pair:
    lengths = torch.tensor(LENGTHS)
    padding = torch.arange(STEPS) >= lengths[:, None]
    poisoned = map_state(lambda leaf: _poison(leaf, padding), subject.x)
    return subject.outcome(engine, poisoned, lengths=lengths), subject.outcome(
        engine, lengths=lengths
    )


def _resets_separate(subject: Subject, engine: str, reverse: bool = False) -> Pair:
    resets = torch.zeros(BATCH, STEPS, dtype=torch.bool)
    resets[:, 3] = True
    fresh = detach(subject.cell.initial_state(BATCH))
    before, after = slice(0, 3), slice(3, STEPS)
    late, early = (before, after) if reverse else (after, before)
    with torch.no_grad():
        rnn, reference = (RNN(subject.cell, e, reverse=reverse) for e in (engine, "reference"))
        y, last = rnn(subject.x, subject.state, resets=resets, noise=subject.noise)
        parts = {}
        for steps, state in ((early, subject.state), (late, fresh)):
            cut = index(subject.x, (slice(None), steps))
            parts[steps.start] = reference(cut, state, noise=index(subject.noise, steps))
    joined = map_state(lambda a, b: torch.cat([a, b], 1), parts[0][0], parts[3][0])
    return leaves((y, last)), leaves((joined, parts[late.start][1]))


def _resets_separate_backwards(subject: Subject, engine: str) -> Pair:
    return _resets_separate(subject, engine, reverse=True)


def _resets_agree(subject: Subject, engine: str) -> Pair:
    resets = torch.rand(BATCH, STEPS, generator=torch.Generator().manual_seed(2)) < 0.4
    call: dict[str, Any] = {"resets": resets, "lengths": torch.tensor(LENGTHS)}
    return subject.outcome(engine, **call), subject.outcome("reference", **call)


def _recomputed(subject: Subject, engine: str) -> Pair:
    return subject.outcome(engine, checkpoint=3), subject.outcome("reference")


def _rows_do_not_mix(subject: Subject, engine: str) -> Pair:
    other = map_state(lambda leaf: torch.cat([leaf[:1], leaf[1:].flip(1)]), subject.x)
    with torch.no_grad():
        rnn = RNN(subject.cell, engine)
        y, state = rnn(subject.x, subject.state, noise=subject.noise)
        y_other, state_other = rnn(other, subject.state, noise=subject.noise)
    first = [leaf[:1] for leaf in leaves((y, state))]
    return first, [leaf[:1] for leaf in leaves((y_other, state_other))]


def _modes_agree(subject: Subject, engine: str) -> Pair:
    trained = subject.outcome(engine)
    subject.cell.eval()
    try:
        return trained, subject.outcome(engine)
    finally:
        subject.cell.train()


def _transforms(subject: Subject, engine: str) -> Pair:
    """Forward mode through torch.func, on the step, against reverse mode."""
    x0, noise0 = index(subject.x, (slice(None), 0)), index(subject.noise, 0)

    def step(state: State) -> list[Tensor]:
        y, new = take_step(subject.cell, x0, state, noise0)
        return [leaf for leaf in leaves((y, new)) if leaf.is_floating_point()]

    tangent = map_state(torch.ones_like, subject.state)
    pushed = torch.func.jvp(step, (subject.state,), (tangent,))[1]
    values, pull = torch.func.vjp(step, subject.state)[:2]
    # Small, so that a step that clips its gradient passes it on as it is.
    cotangent = [torch.full_like(value, _SMALL) for value in values]
    (pulled,) = pull(cotangent)
    left = torch.stack([p.sum() for p in pushed]).sum()
    right = torch.stack([p.sum() for p in leaves(pulled)]).sum() / _SMALL
    return [left], [right]


def _second_derivatives(subject: Subject, engine: str) -> Pair:
    """Against finite differences of the gradient, which float32 is too coarse for."""
    if subject.dtype != torch.float64:
        return [], []
    x = map_state(_leaf, index(subject.x, (slice(0, 1), slice(0, 2))))
    state = map_state(_leaf, index(subject.state, slice(0, 1)))
    noise = index(subject.noise, (slice(0, 2), slice(0, 1)))
    inputs = [leaf for leaf in leaves((x, state)) if leaf.requires_grad]

    def outputs(*_: Tensor) -> tuple[Tensor, ...]:
        results = RNN(subject.cell, engine)(x, state, noise=noise)
        return tuple(_floating(results))

    torch.autograd.gradgradcheck(outputs, inputs, fast_mode=True)
    return [], []


def _make_input(cell: Cell, generator: torch.Generator) -> Tensor:
    size = getattr(cell, "input_size", None)
    if not isinstance(size, int):
        raise ArgumentError(
            f"{type(cell).__name__} names no input_size: pass x, a tensor or a tree of tensors "
            f"({BATCH}, {STEPS}, ...)."
        )
    return torch.randn(BATCH, STEPS, size, generator=generator)


def _cast(leaf: Tensor, dtype: torch.dtype) -> Tensor:
    return leaf.to(dtype) if leaf.is_floating_point() else leaf


def _leaf(tensor: Tensor) -> Tensor:
    """The same values at the root of a new graph."""
    return tensor.detach().clone().requires_grad_(tensor.is_floating_point())


def _floating(tree: Any) -> list[Tensor]:
    return [leaf for leaf in leaves(tree) if leaf.is_floating_point()]


def _pad(part: Tensor) -> Tensor:
    """(1, t, ...) with zeros behind, (1, T, ...)."""
    return torch.cat([part, part.new_zeros(1, STEPS - part.shape[1], *part.shape[2:])], 1)


def _poison(leaf: Tensor, padding: Tensor) -> Tensor:
    if not leaf.is_floating_point():
        return leaf
    return leaf.masked_fill(rows_like(padding, leaf), float("nan"))


CHECKS: dict[str, Callable[[Subject, str], Pair]] = {
    "equals the reference": _engine_agrees,
    "equals the reference, backwards": _engine_agrees_backwards,
    "step = sequence": _step_is_sequence,
    "one step": _one_step,
    "no step": _no_step,
    "one row": _one_row,
    "inputs not contiguous": _not_contiguous,
    "ragged = row by row": _ragged,
    "ragged = row by row, backwards": _ragged_backwards,
    "NaN in padding reaches nothing": _padding_is_inert,
    "resets = separate sequences": _resets_separate,
    "resets = separate, backwards": _resets_separate_backwards,
    "resets and lengths together": _resets_agree,
    "checkpoint gives equal gradients": _recomputed,
    "rows do not mix": _rows_do_not_mix,
    "train = eval": _modes_agree,
}
REFERENCE_CHECKS: dict[str, Callable[[Subject, str], Pair]] = {
    "forward mode, torch.func": _transforms,
    "second derivatives": _second_derivatives,
}
