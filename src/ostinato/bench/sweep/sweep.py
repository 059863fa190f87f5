"""A table is asked for question by question, until all are answered or the time is up."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ostinato.bench.sweep.ask import ask
from ostinato.bench.sweep.ceilings import Ceilings
from ostinato.bench.sweep.entry import Entry, Question
from ostinato.bench.sweep.worker import Worker
from ostinato.core.errors import EngineError
from ostinato.experiments.experiment import Track, silent

_WAITING = "OSTINATO_PERSISTENT"
# In Python, so that their time surely grows as the number of steps.
_LOOPS = ("reference", "in turn")
# What peers say of whatever they are asked for.
_ABSENT = "is not installed"


@dataclass(frozen=True)
class Patience:
    """How long to wait.

    Attributes:
        budget: seconds for all; what is not answered then is asked by the next run.
        limit: seconds that the passes of one question may take.
        repeats: passes that are timed, if the limit allows.
        wait: seconds until a question without an answer is given up, its compilation included.
    """

    budget: float = 500.0
    limit: float = 10.0
    repeats: int = 9
    wait: float = 60.0


def sweep(
    questions: Sequence[Question],
    device: str,
    patience: Patience,
    ceilings: Ceilings,
    worker: Worker,
    *,
    earlier: Sequence[Entry] = (),
    store: Callable[[Sequence[Entry]], object] = lambda entries: None,
    track: Track = silent,
) -> list[Entry]:
    """All answers there are, in the order of the questions.

    Args:
        questions: those of a table.
        device: where.
        patience: when to stop.
        ceilings: of the machine, noted with every new answer.
        worker: that answers.
        earlier: answers of a run before, which are kept.
        store: is given all answers whenever there is a new one.
        track: shows the progress.
    """
    known = {entry.question: entry for entry in earlier}
    end = time.perf_counter() + patience.budget
    for question in track([q for q in questions if q not in known], "sizes"):
        entry = _foreseen(question, list(known.values()), patience.limit)
        if entry is None:
            entry = _answer(question, device, patience, worker, end)
        if entry is None:
            break
        known[question] = replace(entry, ceilings=ceilings)
        store([known[q] for q in questions if q in known])
    return [known[q] for q in questions if q in known]


def _answer(
    question: Question, device: str, patience: Patience, worker: Worker, end: float
) -> Entry | None:
    """What the worker says, or why it says nothing; None where the time of all was up."""
    wait = min(patience.wait, end - time.perf_counter())
    if wait <= 0:
        return None
    try:
        found: Entry = worker.call(
            ask, question, device, patience.repeats, patience.limit, wait=wait
        )
    except EngineError as error:
        return Entry(question, note=str(error).splitlines()[0][:300])
    except TimeoutError as error:
        if wait < patience.wait:
            return None
        if os.environ.get(_WAITING) != "1":
            return Entry(question, note=str(error))
        # Programs that wait for one another may do so for ever; nobody tries them again.
        os.environ[_WAITING] = "0"
        return _answer(question, device, patience, worker, end)
    return found


def _foreseen(question: Question, known: Sequence[Entry], limit: float) -> Entry | None:
    """The answer where others tell that there is none, or that it takes too long; else None."""
    absent = (e for e in known if e.question.engine == question.engine and _ABSENT in e.note)
    for entry in absent:
        return Entry(question, note=entry.note)
    shorter = [e for e in known if e.measured and question.like(e.question)]
    if not shorter:
        return None
    last = max(shorter, key=lambda entry: entry.question.spot.steps)
    steps = last.question.spot.steps
    ms = (last.ms or 0.0) * question.spot.steps / steps
    # A pass to compile, one to look at memory, and one to time.
    if 3 * ms <= 1e3 * limit:
        return None
    if question.engine in _LOOPS:
        return Entry(question, ms, note=f"extrapolated from T={steps}")
    return Entry(question, note=f"would take more than {limit:.0f} s")
