"""The engines there are, what each says to a recurrence, and the choice among them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from ostinato.core.errors import EngineError, nearest
from ostinato.core.recurrence import Recurrence
from ostinato.core.state import State

logger = logging.getLogger("ostinato")


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
    """

    recurrence: Recurrence
    requested: str
    chosen: str
    reasons: dict[str, str | None]


_ENGINES: dict[str, Engine] = {}
_RECORD: ContextVar[list[Decision] | None] = ContextVar("ostinato_decisions", default=None)


def register(engine: Engine) -> None:
    """Make an engine available under its name; one of the same name is replaced."""
    _ENGINES[engine.name] = engine


def engines() -> dict[str, Engine]:
    """All engines by name, best rank first."""
    # Engines register themselves on import; core knows the package's name only.
    import_module("ostinato.engines")
    return dict(sorted(_ENGINES.items(), key=lambda item: -item[1].rank))


def choose(recurrence: Recurrence, requested: str) -> Decision:
    """Decide who evaluates a recurrence.

    Raises:
        EngineError: if a named engine does not exist or cannot honour the request.
    """
    known = engines()
    if requested != "auto" and requested not in known:
        raise EngineError(f"No engine is called {requested!r}. {nearest(requested, known)}")
    reasons = {name: engine.decline(recurrence) for name, engine in known.items()}
    able = [name for name, reason in reasons.items() if reason is None]
    chosen = able[0] if requested == "auto" else requested
    if reasons[chosen] is not None:
        raise EngineError(
            f"The engine {chosen!r} cannot run {recurrence.name}: {reasons[chosen]}. "
            f"Engines that can: {', '.join(able)}; or engine='auto'."
        )
    return Decision(recurrence, requested, chosen, reasons)


def evaluate(recurrence: Recurrence, requested: str = "auto") -> tuple[State, Any]:
    """Run a recurrence on the requested engine, or on the best one that applies.

    Under "auto" an engine that fails is passed over with a warning in the log; the reference
    engine takes everything.

    Raises:
        EngineError: if a named engine cannot honour the request.
    """
    decision = choose(recurrence, requested)
    record = _RECORD.get()
    if record is not None:
        record.append(decision)
    if requested != "auto":
        return _ENGINES[decision.chosen].run(recurrence)
    able = [name for name, reason in decision.reasons.items() if reason is None]
    for name in able[:-1]:
        try:
            return _ENGINES[name].run(recurrence)
        except EngineError as error:
            logger.warning("engine %s failed on %s: %s", name, recurrence.name, error)
    return _ENGINES[able[-1]].run(recurrence)


@contextmanager
def recorded_decisions() -> Iterator[list[Decision]]:
    """Collect the decisions of every recurrence evaluated inside the block."""
    decisions: list[Decision] = []
    token = _RECORD.set(decisions)
    try:
        yield decisions
    finally:
        _RECORD.reset(token)
