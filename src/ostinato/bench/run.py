"""Run a benchmark: the gate first, then the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from ostinato.bench.bandwidth import KINDS, bandwidth_rows
from ostinato.bench.cases import CASES, Case, Contest, Size, contest, pairs
from ostinato.bench.compile_time import STEPS, compile_rows
from ostinato.bench.machine import Company, crowded, this_machine
from ostinato.bench.measure import MODES, time_contest
from ostinato.bench.result import Result, Row
from ostinato.bench.verify import disagreement
from ostinato.core.errors import ArgumentError
from ostinato.experiments.experiment import Track, silent
from ostinato.train.run import threads as set_threads


def run(
    cases: Sequence[Case],
    threads: Sequence[int] = (1,),
    repeats: int = 9,
    *,
    compile_time: bool = False,
    bandwidth: bool = False,
    device: str = "cpu",
    track: Track = silent,
    earlier: Result | None = None,
    store: Callable[[Result], object] = lambda result: None,
) -> Result:
    """Measure cases.

    Args:
        cases: what to measure.
        threads: each case with each of these numbers.
        repeats: pairs of samples behind each ratio.
        compile_time: whether to measure how long cells take to be ready.
        bandwidth: whether to measure how fast scans go through memory.
        device: where the cases run.
        track: shows the progress.
        earlier: what need not be measured again; it is part of the result.
        store: is given what there is so far, whenever more was measured.

    Raises:
        ArgumentError: if a number of threads or repeats is below 1.
    """
    if repeats < 1 or not threads or min(threads) < 1:
        raise ArgumentError(
            f"A benchmark needs 1 repeat and 1 thread or more; got {repeats} and {list(threads)}."
        )
    machine, company, begin = this_machine(device), Company(), time.perf_counter()
    rows = list(earlier.rows) if earlier else []
    compiled = list(earlier.compile) if earlier else []
    rates = list(earlier.bandwidth) if earlier else []

    def result() -> Result:
        seconds = time.perf_counter() - begin + (earlier.seconds if earlier else 0)
        others = company.cores()
        return Result(machine, repeats, _in_order(rows), compiled, others, seconds, rates)

    known = {row.contest for row in rows}
    for case, peer, size in track(list(pairs(cases)), "ratios"):
        missing = [n for n in threads if (case.name, peer, str(size), n) not in known]
        if missing:
            built = contest(case, peer, size, device)
            for count in missing:
                rows += _rows(built, case, peer, size, count, repeats)
            store(result())
    if compile_time and not compiled:
        for steps in track(STEPS, "time until a cell is ready"):
            compiled += compile_rows(steps)
    if bandwidth and not rates:
        for kind in track(KINDS, "rates of scans"):
            for count in threads:
                rates += bandwidth_rows(kind, count, repeats, device)
    return result()


def _in_order(rows: Sequence[Row]) -> list[Row]:
    """By case, peer, size and threads, whenever they were measured."""
    known = [(case.name, peer, str(size)) for case, peer, size in pairs([*CASES.values()])]
    cases = list(dict.fromkeys((name, peer) for name, peer, _ in known))

    def place(row: Row) -> tuple[int, int, int]:
        *case, size, threads = row.contest
        # Sizes of quick runs and cases of tests are not listed; they keep their order.
        return _index(cases, tuple(case)), _index(known, (*case, size)), threads

    return sorted(rows, key=place)


def _index(known: Sequence[tuple[str, ...]], wanted: tuple[str, ...]) -> int:
    return known.index(wanted) if wanted in known else len(known)


def _rows(
    built: Contest, case: Case, peer: str, size: Size, count: int, repeats: int
) -> Iterator[Row]:
    """Both modes at one number of threads."""
    with set_threads(count):
        failure = disagreement(built)
        for mode in MODES:
            about = (case.name, peer, size.batch, size.steps, size.hidden, count, mode)
            if failure:
                yield Row(*about, failure=failure)
                continue
            company = Company()
            timing = time_contest(built, mode, repeats)
            others = company.cores()
            yield Row(*about, **asdict(timing), others=others, crowded=crowded(count, others))
