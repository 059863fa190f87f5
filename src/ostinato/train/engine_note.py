"""Which engine ran the recurrences of a step, and why not another."""

from __future__ import annotations

from collections.abc import Sequence

from ostinato.core.form import FormDecision
from ostinato.core.registry import Decision, engines


def engine_notes(decisions: Sequence[Decision | FormDecision]) -> list[str]:
    """A line for each recurrence or form; layers that were decided alike share one."""
    return list(dict.fromkeys(map(_note, decisions)))


def _note(decision: Decision | FormDecision) -> str:
    if isinstance(decision, FormDecision):
        form = decision.forms[decision.chosen]
        return f"form {decision.chosen} ({form.summary}) computes {decision.layer}"
    known = engines()
    why = "as asked for" if decision.requested != "auto" else "auto takes the best that applies"
    # What stands behind the chosen engine was never in question.
    ahead = list(decision.reasons)[: list(decision.reasons).index(decision.chosen)]
    passed = [f"{n}: {decision.reasons[n]}" for n in ahead if decision.reasons[n]]
    summary = known[decision.chosen].summary
    told = f"engine {decision.chosen} ({summary}) runs {decision.recurrence.name}: {why}"
    return "; not ".join([told, *passed]) if decision.requested == "auto" else told
