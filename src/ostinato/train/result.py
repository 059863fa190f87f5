"""What a run came to: for the caller, and in files for people."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from ostinato.core.errors import MissingExtraError
from ostinato.train import checkpoint
from ostinato.train.curve import draw, write_table
from ostinato.train.early_stopping import StopReason
from ostinato.train.folder import PICTURE, RESULT, TABLE
from ostinato.train.log import read_log
from ostinato.train.progress import Progress
from ostinato.train.run import Run


@dataclass(frozen=True)
class TrainResult:
    """What a run came to.

    Attributes:
        folder: of the run.
        reason: why it ended.
        steps: optimizer steps done.
        metric: what the score measures.
        score: the best on the held-out split; None if it was never measured.
        checkpoint: the last one.
        best_checkpoint: the one with the best score.
        log: JSON lines.
        curve: the learning curve as PNG; None without matplotlib.
        seconds: wall time, that before interruptions included.
    """

    folder: Path
    reason: StopReason
    steps: int
    metric: str
    score: float | None
    checkpoint: Path | None
    best_checkpoint: Path | None
    log: Path
    curve: Path | None
    seconds: float


def conclude(run: Run, reason: StopReason, shown: Progress) -> TrainResult:
    """Draw the learning curve and write the summary."""
    curve = _draw_curve(run, shown) if run.is_main else None
    result = TrainResult(
        folder=run.config.out,
        reason=reason,
        steps=run.step,
        metric=run.task.metric,
        score=run.stopping.best,
        checkpoint=checkpoint.latest(run.checkpoints),
        best_checkpoint=checkpoint.best(run.checkpoints),
        log=run.log_path,
        curve=curve,
        seconds=run.budget.elapsed,
    )
    if run.is_main:
        _write_summary(run, result)
    shown.note(_sentence(result))
    run.accelerator.wait_for_everyone()
    return result


def _draw_curve(run: Run, shown: Progress) -> Path | None:
    folder, title = run.config.out, f"{run.config.cell} on {run.task.name}"
    write_table(read_log(run.log_path), folder / TABLE)
    try:
        draw(read_log(run.log_path), folder / PICTURE, run.task.metric, title)
    except MissingExtraError as error:
        shown.note(str(error))
        return None
    return folder / PICTURE


def _write_summary(run: Run, result: TrainResult) -> None:
    facts = asdict(result) | {
        "reason": result.reason.name,
        "data": run.task.describe(),
        "config": run.config.to_json(),
        "torch": torch.__version__,
    }
    temporary = result.folder / f".{RESULT}.unfinished"
    temporary.write_text(json.dumps(facts, indent=1, default=str) + "\n", encoding="utf-8")
    os.replace(temporary, result.folder / RESULT)


def _sentence(result: TrainResult) -> str:
    score = "not measured" if result.score is None else f"{result.score:.4f} {result.metric}"
    return (
        f"{result.reason}: {result.steps} steps in {result.seconds:.0f} s. Best score: {score}. "
        f"Everything is in {result.folder}."
    )
