"""`ostinato bench`: ratios against named peers."""

from __future__ import annotations

from pathlib import Path

from ostinato.core.errors import ArgumentError, OstinatoError


def bench(
    names: str = "all",
    *,
    threads: str = "1,2",
    repeats: int = 9,
    json: Path | None = None,
    resume: bool = False,
    out: Path | None = None,
    quick: bool = False,
    compile: bool = False,
    device: str = "cpu",
) -> None:
    """Measure generated code against torch.nn and Python loops.

    The names of cases say what is measured: the engine fused, or by their first word what auto
    chooses (auto-*), the engine parallel on nonlinear cells (parallel-*), the engine chunk
    (chunk-*), fused on linear cells (linear-*), or learning online (rtrl-*).

    No ratio is given for two sides that do not agree in outputs and gradients; then the exit
    status is 1. A target that is not met is a result: the exit status is 0.

    Args:
        names: which cases, with commas between them, e.g. lstm,auto-*; "all": all, the
            time to compile, and the rates of scans.
        threads: numbers of CPU threads, with commas between them.
        repeats: pairs of samples behind each ratio.
        json: a file for the result; it is written whenever a contest is over.
        resume: measure only what the file of --json does not hold yet, and add it.
        out: a folder; JSON, Markdown and picture go into one below it, named as the processor.
        quick: few steps and repeats, to see that all works.
        device: where cases run: cpu, or cuda for those whose engines have a form for it, e.g.
            lstm,parallel-*.
        compile: also the cases whose peers are torch.compile, which take minutes.
    """
    from ostinato.bench.cases import select
    from ostinato.bench.report import dumped, save, show, write
    from ostinato.bench.result import Result
    from ostinato.bench.run import run
    from ostinato.bench.stored import stored
    from ostinato.experiments.report import progress

    if resume and json is None:
        raise ArgumentError("--resume needs --json FILE, the result that is to be completed.")

    def store(result: Result) -> None:
        if json is not None:
            write(json, dumped(result).encode())

    everything = names == "all"
    cases = select(() if everything else names.split(","), slow=compile, quick=quick)
    with progress() as track:
        result = run(
            cases,
            _numbers(threads),
            min(repeats, 3) if quick else repeats,
            compile_time=everything and not quick,
            bandwidth=everything and not quick,
            device=device,
            track=track,
            earlier=stored(json, device) if resume and json is not None else None,
            store=store,
        )
    store(result)
    show(result)
    if out is not None:
        for path in save(result, out / result.machine.slug):
            print(path)
    if result.failures:
        told = "; ".join(dict.fromkeys(f"{r.case} {r.size}: {r.failure}" for r in result.failures))
        raise OstinatoError(f"no ratio for sides that do not agree: {told}")


def _numbers(words: str) -> list[int]:
    try:
        return [int(word) for word in words.split(",")]
    except ValueError as error:
        raise ArgumentError(
            f"--threads takes numbers with commas between them, e.g. 1,2; got {words!r}."
        ) from error
