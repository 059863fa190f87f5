"""The engines there are, what each says to a recurrence, and the choice among them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Protocol

import torch

from ostinato.core.errors import EngineError, nearest
from ostinato.core.estimate import Contesting, Estimate, Estimating, at, on_device
from ostinato.core.form import FormDecision
from ostinato.core.recurrence import Recurrence
from ostinato.core.state import State

logger = logging.getLogger("ostinato")


@dataclass(frozen=True)
class Doubt:
    """Why `auto` would rather use another engine for a recurrence.

    Attributes:
        reason: in words.
        rank: what the engine's rank falls to.
    """

    reason: str
    rank: int


class Engine(Protocol):
    """A way to evaluate a recurrence.

    Attributes:
        name: what `engine=` calls it.
        summary: one line that says what it is.
        rank: `auto` takes the applicable engine of highest rank.
    """

    name: str
    summary: str
    rank: int

    def decline(self, recurrence: Recurrence) -> str | None:
        """Why this engine cannot evaluate the recurrence with its full meaning, or None."""

    def hesitate(self, recurrence: Recurrence) -> Doubt | None:
        """Why `auto` should try other engines first for this recurrence, or None."""

    def run(self, recurrence: Recurrence) -> tuple[State, Any]:
        """The last carry and the outputs, leaves (T, ...); outputs on padding are free."""


@dataclass(frozen=True)
class Decision:
    """Which engine evaluates a recurrence, and what each engine said.

    Attributes:
        recurrence: what was to be evaluated.
        requested: the engine that was asked for, or "auto".
        chosen: its name.
        reasons: for each engine, why it declines, or None if it applies; best rank first.
        doubts: for engines that apply, why "auto" would rather use another.
        notes: what the engine has to say about its run.
        estimates: on a device, how long engines that apply would take, as far as they know.
    """

    recurrence: Recurrence
    requested: str
    chosen: str
    reasons: dict[str, str | None]
    doubts: dict[str, str]
    notes: list[str] = field(default_factory=list)
    estimates: dict[str, Estimate] = field(default_factory=dict)


_ENGINES: dict[str, Engine] = {}
_RECORD: ContextVar[list[Decision | FormDecision] | None] = ContextVar(
    "ostinato_decisions", default=None
)


def register(engine: Engine) -> None:
    """Make an engine available under its name; one of the same name is replaced."""
    _ENGINES[engine.name] = engine


def engines() -> dict[str, Engine]:
    """All engines by name, best rank first."""
    # Engines register themselves on import; core knows the module's name only.
    import_module("ostinato.engines.all")
    return dict(sorted(_ENGINES.items(), key=lambda item: -item[1].rank))


def check_name(requested: str) -> None:
    """Raise unless an engine has this name, or it is "auto".

    Raises:
        EngineError: with the nearest name.
    """
    known = engines()
    if requested != "auto" and requested not in known:
        raise EngineError(f"No engine is called {requested!r}. {nearest(requested, known)}")


def choose(recurrence: Recurrence, requested: str, exhaustive: bool = True) -> Decision:
    """Decide who evaluates a recurrence.

    Args:
        recurrence: what is to be evaluated.
        requested: the name of an engine, or "auto".
        exhaustive: ask every engine, also when the choice is made: an engine may have to compile
            to find its answer.

    Raises:
        EngineError: if a named engine does not exist or cannot honour the request.
    """
    check_name(requested)
    with at(recurrence.init):
        return _chosen(recurrence, requested, exhaustive)


def _chosen(recurrence: Recurrence, requested: str, exhaustive: bool) -> Decision:
    """The same, on the current device."""
    known = engines()
    single = requested != "auto" and not exhaustive
    doubted: dict[str, Doubt | None] = {}
    estimates: dict[str, Estimate] = {}
    order = iter([requested]) if single else _best_first(known, recurrence, doubted)
    if not single and on_device(recurrence):
        order = _fastest_first(known, recurrence, order, estimates)
    reasons: dict[str, str | None] = {}
    chosen = requested
    for name in order:
        reasons[name] = known[name].decline(recurrence)
        if chosen == "auto" and reasons[name] is None:
            chosen = name
            if not exhaustive:
                break
    if reasons[chosen] is not None:
        others = choose(recurrence, "auto").reasons
        able = [name for name, reason in others.items() if reason is None]
        raise EngineError(
            f"The engine {chosen!r} cannot run {recurrence.name}: {reasons[chosen]}. "
            f"Engines that can: {', '.join(able)}; or engine='auto'."
        )
    doubts = {n: d.reason for n, d in doubted.items() if d and n in reasons and not reasons[n]}
    return Decision(recurrence, requested, chosen, reasons, doubts, estimates=estimates)


def _best_first(
    known: dict[str, Engine], recurrence: Recurrence, doubted: dict[str, Doubt | None]
) -> Iterator[str]:
    """Names by falling rank; doubts are filled in when an engine's turn comes.

    A doubt only lowers a rank, so an engine that no turn reaches need not look for one.
    """
    ranks = {name: engine.rank for name, engine in known.items()}
    while ranks:
        name = max(ranks, key=ranks.__getitem__)
        if name not in doubted:
            doubt = doubted[name] = known[name].hesitate(recurrence)
            ranks[name] = ranks[name] if doubt is None else doubt.rank
        else:
            del ranks[name]
            yield name


def _fastest_first(
    known: dict[str, Engine],
    recurrence: Recurrence,
    order: Iterator[str],
    estimates: dict[str, Estimate],
) -> Iterator[str]:
    """Names by rising estimates, which are filled in; where one is missing, the rank decides.

    What stands after the reference by rank, as it has to be asked for, stays there, and so does
    what is not known to be faster.
    """
    names = list(order)
    for name in names:
        engine = known[name]
        if isinstance(engine, Estimating) and engine.decline(recurrence) is None:
            found = engine.estimate(recurrence)
            if found is not None:
                estimates[name] = found
    last = names.index("reference")
    able = [name for name in names[:last] if name in estimates]
    able.sort(key=lambda name: estimates[name].microseconds)
    yield from _settled(known, recurrence, able, estimates)
    yield from (name for name in names if name not in able)


def _settled(
    known: dict[str, Engine],
    recurrence: Recurrence,
    able: list[str],
    estimates: dict[str, Estimate],
) -> list[str]:
    """Names by rising estimates, unless an engine that contests them has a clock to go by."""
    for name in able:
        engine, others = known[name], [other for other in able if other != name]
        if others and isinstance(engine, Contesting):
            faster = engine.faster(recurrence, others[0], estimates)
            if faster is not None:
                told = f"measured to be {'faster' if faster else 'slower'} than {others[0]}"
                estimates[name] = replace(estimates[name], measured=told)
                others.insert(0 if faster else 1, name)
                return others
    return able


def decide(recurrence: Recurrence, requested: str) -> Decision:
    """Choose an engine, and tell whoever records decisions.

    Raises:
        EngineError: if a named engine does not exist or cannot honour the request.
    """
    record = _RECORD.get()
    decision = choose(recurrence, requested, exhaustive=record is not None)
    if record is not None:
        record.append(decision)
    return decision


def note(text: str) -> None:
    """Add to what is known of the evaluation that is under way, if anybody asked."""
    record = _RECORD.get()
    if record and isinstance(record[-1], Decision):
        record[-1].notes.append(text)


def tell_form(decision: FormDecision) -> None:
    """Tell whoever records decisions in which form a layer computes a call."""
    record = None if torch.compiler.is_compiling() else _RECORD.get()
    if record is not None:
        record.append(decision)


def evaluate(recurrence: Recurrence, requested: str = "auto") -> tuple[State, Any]:
    """Run a recurrence on the requested engine, or on the best one that applies.

    Under "auto" an engine that fails is passed over with a warning in the log; the reference
    engine takes everything.

    Raises:
        EngineError: if a named engine cannot honour the request.
    """
    if torch.compiler.is_compiling():
        # Imported here: it brings torch's compiler with it.
        from ostinato.core.compiled import captured

        found = captured(recurrence, requested)
        return _ENGINES["reference"].run(recurrence) if found is None else found
    with at(recurrence.init):
        return _evaluated(recurrence, requested)


def _evaluated(recurrence: Recurrence, requested: str) -> tuple[State, Any]:
    """The same, on the current device."""
    decision = decide(recurrence, requested)
    engine = _ENGINES[decision.chosen]
    if requested != "auto" or engine.rank == 0:
        return engine.run(recurrence)
    try:
        return engine.run(recurrence)
    except EngineError as error:
        logger.warning("engine %s failed on %s: %s", engine.name, recurrence.name, error)
    return _ENGINES["reference"].run(recurrence)


@contextmanager
def recorded_decisions() -> Iterator[list[Decision | FormDecision]]:
    """Collect the decisions of every recurrence and layer evaluated inside the block."""
    decisions: list[Decision | FormDecision] = []
    token = _RECORD.set(decisions)
    try:
        yield decisions
    finally:
        _RECORD.reset(token)
