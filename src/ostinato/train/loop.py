"""The training loop.

    from ostinato.train.config import TrainConfig
    from ostinato.train.loop import train

    result = train(TrainConfig(task="text", minutes=3.5, out="runs/code"))
    print(result.score, result.checkpoint)

Randomness is a function of (seed, step), and so is a batch: a run that is killed at any moment
and resumed goes on bit for bit, and processes that share the rows of a batch train as one.
"""

from __future__ import annotations

import time
from io import StringIO
from pathlib import Path
from typing import TextIO

import torch

from ostinato.core.extras import extra
from ostinato.core.registry import recorded_decisions
from ostinato.train import checkpoint
from ostinato.train.config import TrainConfig
from ostinato.train.early_stopping import StopReason
from ostinato.train.engine_note import engine_notes
from ostinato.train.evaluate import score_totals
from ostinato.train.folder import TENSORBOARD, check_folder, make_folder
from ostinato.train.interrupt import Interrupt
from ostinato.train.log import Log
from ostinato.train.progress import Progress, progress
from ostinato.train.result import TrainResult, conclude
from ostinato.train.run import Run, threads
from ostinato.train.step import Step, advance


def train(config: TrainConfig, stream: TextIO | None = None) -> TrainResult:
    """Train as the configuration says.

    Args:
        config: what, on what, for how long, and where to.
        stream: where progress is shown; None: standard error.

    Raises:
        ArgumentError: if the folder already holds a run, and neither resume nor overwrite is set.
        CheckpointError: if the run cannot be continued with these settings.
        TrainingError: if loss or gradient is not finite.
    """
    check_folder(config)
    with threads(config.threads), torch.random.fork_rng(devices=[]), Interrupt() as interrupt:
        run = Run(config)
        if run.is_main:
            make_folder(config)
        run.accelerator.wait_for_everyone()
        found = checkpoint.latest(run.checkpoints) if config.resume else None
        if found is not None:
            run.restore(found)
        screen = stream if run.is_main else StringIO()
        with progress(run.budget.plan, run.step, screen) as shown:
            _greet(run, found, shown)
            reason = run.finished or _train(run, interrupt, shown)
            return conclude(run, reason, shown)


def _train(run: Run, interrupt: Interrupt, shown: Progress) -> StopReason:
    """Steps, evaluations and checkpoints until there is a reason to stop."""
    tensorboard = run.config.out / TENSORBOARD if run.config.tensorboard else None
    with Log(run.log_path if run.is_main else None, run.step, tensorboard) as log:
        begin = run.step
        while True:
            step = _first(run, interrupt, shown) if run.step == begin else advance(run, interrupt)
            log.write(
                run.step,
                loss=step.loss,
                learning_rate=step.learning_rate,
                gradient_norm=step.gradient_norm,
            )
            shown.update(run.step, step.loss, step.learning_rate, step.items)
            evaluated = _evaluate_if_due(run, step.stop, log, shown)
            if run.budget.is_due(run.step) and run.finished is None:
                run.make_plan()
                shown.total = run.budget.plan
            reason = run.finished or step.stop
            if evaluated or reason or _falls_on(run.config.checkpoint_every, run.step):
                log.sync()
                run.save()
            if reason:
                return reason


def _first(run: Run, interrupt: Interrupt, shown: Progress) -> Step:
    """A step, and which engine ran it."""
    with recorded_decisions() as decisions:
        step = advance(run, interrupt)
    for note in engine_notes(decisions):
        shown.note(note)
    return step


def _evaluate_if_due(run: Run, stop: StopReason | None, log: Log, shown: Progress) -> bool:
    """Score the model where the budget says so, and at the end; decide whether it is the end.

    An interruption is no end: the continued run must have the log of one that never stopped.
    """
    ends = StopReason.STEPS if run.step == run.budget.plan else None
    if stop is StopReason.MINUTES:
        ends = stop
    if not (ends or run.budget.evaluates_after(run.step)):
        return False
    _evaluate(run, log, shown)
    run.finished = ends or run.stopping.reason
    return True


def _evaluate(run: Run, log: Log, shown: Progress) -> None:
    """Score the model on the first held-out split; every process takes its rows."""
    began, split, process = time.monotonic(), run.task.splits[0], run.accelerator
    mine = score_totals(
        run.plain_model,
        run.task,
        split,
        run.config.batch_size,
        process=process.process_index,
        processes=process.num_processes,
    )
    # as numbers: not every device has float64, and all must go by the first process's clock
    told = [(*mine.tolist(), time.monotonic() - began)]
    totals, counts, seconds = zip(
        *extra("accelerate.utils", "train", "Training").gather_object(told), strict=True
    )
    score = sum(totals) / sum(counts)
    best = "  (best)" if run.stopping.update(score, run.step) else ""
    log.write(run.step, split=split, score=score)
    run.budget.evaluated(run.step, seconds[0])
    shown.note(f"step {run.step}  {split}: {score:.4f} {run.task.metric}{best}")


def _falls_on(interval: int | None, step: int) -> bool:
    return interval is not None and step % interval == 0


def _greet(run: Run, found: Path | None, shown: Progress) -> None:
    devices = f"{run.accelerator.num_processes} x {run.accelerator.device}"
    count = sum(p.numel() for p in run.model.parameters())
    shown.note(f"{run.config.cell} on {run.task.name}: {count:,} parameters, {devices}")
    if run.finished is not None:
        shown.note(f"The run in {run.config.out} is finished. Nothing to do.")
    elif found is not None:
        shown.note(f"continuing from {found}")
    elif run.config.resume:
        shown.note(f"no checkpoint in {run.config.out} yet: starting at step 0")
