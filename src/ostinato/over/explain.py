"""How a recurrence would be run: its step taken apart, and what every engine said to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError
from ostinato.core.form import FormDecision
from ostinato.core.registry import Decision, engines, recorded_decisions
from ostinato.core.state import describe, leaves
from ostinato.over.time import RNN

if TYPE_CHECKING:
    from ostinato.over.anatomy import Anatomy


@dataclass(frozen=True)
class Explanation:
    """The decisions made in one call; `print` it, or take `as_dict()`.

    Attributes:
        decisions: one for every recurrence that the call evaluated, in their order, and for
            every layer that chose among forms of its own, before what it evaluated.
        anatomies: of each recurrence, its step taken apart, or why that cannot be done; None of
            a layer.
    """

    decisions: tuple[Decision | FormDecision, ...]
    anatomies: tuple[Anatomy | str | None, ...]

    def as_dict(self) -> list[dict[str, Any]]:
        """The same as plain data: a list with one entry for each decision."""
        return list(map(_plain, self.decisions, self.anatomies))

    def __str__(self) -> str:
        return "\n\n".join(map(_paragraph, self.decisions, self.anatomies))


def explain(recurrent: nn.Module, x: Any = None, **call: Any) -> Explanation:
    """Say how a layer, a cell or a whole model would be run on an input, and why so.

    The call is really made, since the engines' answers depend on all of it.

        print(ost.explain(rnn, x))

    Args:
        recurrent: a layer, a cell, or any module that runs recurrences inside.
        x: its input, e.g. (B, T, D); for a cell that knows its `input_size`, None stands for
            (8, 128, D).
        call: further arguments of the call, e.g. `lengths`.

    Raises:
        ArgumentError: if x is missing where it cannot be made up, or nothing was evaluated.
    """
    # The compiler is loaded when it is needed: it takes as long as all else together.
    from ostinato.over.anatomy import dissect

    layer = RNN(recurrent) if isinstance(recurrent, Cell) else recurrent
    if x is None:
        x = _example(recurrent)
    with recorded_decisions() as decisions:
        layer(x, **call)
    if not decisions:
        raise ArgumentError(
            f"{type(recurrent).__name__} evaluated no recurrence in this call. Pass an "
            "ost.Cell, a layer over time, or a module that runs one."
        )
    anatomies = (dissect(d.recurrence) if isinstance(d, Decision) else None for d in decisions)
    return Explanation(tuple(decisions), tuple(anatomies))


def _plain(d: Decision | FormDecision, anatomy: Anatomy | str | None) -> dict[str, Any]:
    if isinstance(d, FormDecision):
        return d.as_dict()
    assert anatomy is not None
    return {
        "recurrence": d.recurrence.name,
        "inputs": describe(d.recurrence.xs),
        "state": describe(d.recurrence.init),
        "steps": d.recurrence.steps,
        "reverse": d.recurrence.reverse,
        "requested": d.requested,
        "chosen": d.chosen,
        "engines": d.reasons,
        "passed over": d.doubts,
        **({"notes": d.notes} if d.notes else {}),
        **({"microseconds": _microseconds(d)} if d.estimates else {}),
        **({"untraced": anatomy} if isinstance(anatomy, str) else anatomy.as_dict()),
    }


def _microseconds(decision: Decision) -> dict[str, float]:
    return {name: each.microseconds for name, each in decision.estimates.items()}


def _example(recurrent: nn.Module) -> Tensor:
    size = getattr(getattr(recurrent, "cell", recurrent), "input_size", None)
    if not isinstance(size, int):
        raise ArgumentError(
            f"explain needs an input for {type(recurrent).__name__}, which names no "
            "input_size: pass x, e.g. explain(layer, torch.randn(8, 128, 64))."
        )
    like = next((p for p in recurrent.parameters() if p.is_floating_point()), torch.empty(0))
    return like.new_zeros(8, 128, size)


def _paragraph(decision: Decision | FormDecision, anatomy: Anatomy | str | None) -> str:
    if isinstance(decision, FormDecision):
        return str(decision)
    assert anatomy is not None
    r, known = decision.recurrence, engines()
    parameters = sum(p.numel() for p in r.cell.parameters()) if r.cell is not None else None
    masks = [name for name in ("valid", "restart", "checkpoint") if getattr(r, name) is not None]
    facts = [
        f"{r.name}: {r.steps} steps{', backwards' if r.reverse else ''}",
        f"  input  {describe(r.xs)}, time first",
        f"  state  {describe(r.init)}, {_bytes_per_row(decision)} bytes a row",
    ]
    facts += [] if parameters is None else [f"  {parameters:,} parameters"]
    facts += [f"  with {', '.join(masks)}"] if masks else []
    if isinstance(anatomy, str):
        facts.append(f"  cannot be taken apart: {anatomy}")
    else:
        facts += [f"  {line}" for line in anatomy.lines()]
    width = max(len(name) for name in decision.reasons)
    for name, reason in decision.reasons.items():
        doubt = decision.doubts.get(name)
        verdict = f"no: {reason}" if reason else doubt or known[name].summary
        if name in decision.estimates:
            verdict = f"{verdict}; {decision.estimates[name]}"
        mark = "chosen →" if name == decision.chosen else "        "
        facts.append(f"  {mark} {name:<{width}}  {verdict}")
    origins = dict.fromkeys(each.origin for each in decision.estimates.values())
    facts += [f"  times are estimated by {origin}" for origin in origins]
    facts += [f"  {text}" for text in decision.notes]
    return "\n".join(facts)


def _bytes_per_row(decision: Decision) -> int:
    state = leaves(decision.recurrence.init)
    return sum(leaf[:1].numel() * leaf.element_size() for leaf in state if leaf.dim())
