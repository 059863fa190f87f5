"""Run a benchmark: the gate first, then the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from ostinato.bench.cases import Case, Contest, Size, contest, pairs
from ostinato.bench.compile_time import STEPS, compile_rows
from ostinato.bench.machine import Company, crowded, this_machine
from ostinato.bench.measure import MODES, time_contest
from ostinato.bench.result import CompileRow, Result, Row
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
    track: Track = silent,
) -> Result:
    """Measure cases.

    Args:
        cases: what to measure.
        threads: each case with each of these numbers.
        repeats: pairs of samples behind each ratio.
        compile_time: whether to measure how long cells take to be ready.
        track: shows the progress.

    Raises:
        ArgumentError: if a number of threads or repeats is below 1.
    """
    if repeats < 1 or not threads or min(threads) < 1:
        raise ArgumentError(
            f"A benchmark needs 1 repeat and 1 thread or more; got {repeats} and {list(threads)}."
        )
    machine, company, begin = this_machine(), Company(), time.perf_counter()
    rows: list[Row] = []
    for case, peer, size in track(list(pairs(cases)), "ratios"):
        built = contest(case, peer, size)
        for count in threads:
            rows += _rows(built, case, peer, size, count, repeats)
    compiled: list[CompileRow] = []
    if compile_time:
        for steps in track(STEPS, "time until a cell is ready"):
            compiled += compile_rows(steps)
    return Result(
        machine=machine,
        repeats=repeats,
        rows=rows,
        compile=compiled,
        others=company.cores(),
        seconds=time.perf_counter() - begin,
    )


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
