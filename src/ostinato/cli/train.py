"""`ostinato train`: a cell on a task."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ostinato.core.errors import ArgumentError
from ostinato.train.config import TrainConfig

if TYPE_CHECKING:
    from ostinato.tasks.text import TextTask
    from ostinato.train.result import TrainResult

MINUTES = 4.0
"""The budget of a run that is given none."""


UNBOUNDED = 2**62
"""Steps of a stream that nobody bounded."""


def train(
    *,
    sample: int = 400,
    online: bool = False,
    follow: bool = False,
    method: Literal["exact", "snap", "rflo", "uoro", "truncated"] = "exact",
    **options: Annotated[Any, TrainConfig],
) -> None:
    """Train a cell on a task, or on your own text.

    Without options: an LSTM learns to write Python from the source of the standard library,
    in four minutes. With --text FILE it learns your text.

    Args:
        sample: how many characters a model of text writes at the end.
        online: learn from standard input, or --text FILE, while it is read, each byte once.
        follow: with online, wait at the end of the file for more.
        method: with online, how gradients are carried on forward in time.
        options: the fields of TrainConfig.
    """
    if online:
        _learn_online(options, follow, method)
        return
    if follow or method != "exact":
        raise ArgumentError("--follow and --method belong to --online; add it, or drop them.")
    if options["steps"] is None and options["minutes"] is None:
        options["minutes"] = MINUTES
    config = TrainConfig(**options)
    from ostinato.tasks.text import TextTask
    from ostinato.train import loop
    from ostinato.train.build import build_task
    from ostinato.train.early_stopping import StopReason

    result = loop.train(config)
    if result.reason is StopReason.INTERRUPTED:
        print(f"Continue with the same options and --resume; everything is in {result.folder}.")
        raise KeyboardInterrupt
    if os.environ.get("RANK", "0") != "0":
        return  # of several processes one tells
    task = build_task(config)
    if isinstance(task, TextTask):
        _report_text(result, task, config.cell, sample)
    elif result.score is not None:
        print(f"held-out score: {result.score:.4f} {result.metric}")
    _tell_files(result)


def _learn_online(options: dict[str, Any], follow: bool, method: str) -> None:
    if follow and options["text"] is None:
        raise ArgumentError(
            "--follow needs --text FILE; standard input is read until it is closed."
        )
    if options["steps"] is None and options["minutes"] is None:
        options["steps"] = UNBOUNDED
    from ostinato.train.follow import learn_stream

    learner = learn_stream(TrainConfig(**options), method, follow)
    tally = learner.tally
    print(
        f"learned {learner.position:,} bytes in {learner.step:,} updates: {tally.whole:.3f} bits "
        f"per character of all, {tally.late:.3f} of late"
    )
    print(f"Go on with the same options and --resume; everything is in {learner.config.out}.")


def _report_text(result: TrainResult, task: TextTask, cell: str, sample: int) -> None:
    from ostinato.cells.from_file import file_of
    from ostinato.tasks.ngram import ngram_bits

    print("Counting 5-grams of the same text for comparison …", flush=True)
    held_out = task.texts["valid"][: task.held_out_characters]
    floor = ngram_bits(task.texts["train"], held_out, order=5)[-1]
    if result.score is not None:
        verdict = "better than" if result.score < floor else "not better than"
        print(f"held-out text: {result.score:.3f} {result.metric}, {verdict} 5-grams, {floor:.3f}")
    if result.checkpoint is None or not sample:
        return
    from ostinato.cli.continuation import continue_text
    from ostinato.train.build import load_trained

    trained = load_trained(result.folder, cell)
    print(f"{sample} characters that it writes:\n")
    for piece in continue_text(trained, "\n", sample, seed=0, temperature=0.8):
        print(piece, end="", flush=True)
    own = f" --cell {cell}" if file_of(cell) else ""
    print(f"\n\nmore of it: ostinato generate {result.folder}{own}")


def _tell_files(result: TrainResult) -> None:
    files = {
        "checkpoint": result.best_checkpoint or result.checkpoint,
        "curve": result.curve,
        "table": result.folder / "curve.csv",
        "log": result.log,
        "summary": result.folder / "result.json",
    }
    for name, path in files.items():
        if path is not None:
            print(f"{name:11}{path}")
