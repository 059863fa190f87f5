"""A run that learns from a stream: checkpoints, log, and what a restart finds."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TextIO

from ostinato.train import checkpoint
from ostinato.train.config import TrainConfig
from ostinato.train.folder import CHECKPOINTS, LOG, check_folder, make_folder
from ostinato.train.interrupt import Interrupt
from ostinato.train.log import Log, read_log
from ostinato.train.online import PIECE, OnlineLearner
from ostinato.train.run import threads
from ostinato.train.stream import Stream

EVERY = 200
"""Updates between checkpoints, if the configuration says nothing."""


def learn_stream(
    config: TrainConfig,
    method: str = "exact",
    follow: bool = False,
    screen: TextIO | None = None,
) -> OnlineLearner:
    """Learn from `config.text`, or from standard input, until it ends or someone stops it.

    A file is read on where the last checkpoint stood, so nothing of it is lost whatever ended the
    run. What a pipe gave after that checkpoint is gone: at most what lies between two.

    Args:
        config: what learns, and where it is kept; `steps` and `minutes` bound the run.
        method: of `RTRL`.
        follow: wait at the end of the file for more.
        screen: where progress is told; None: standard error.

    Raises:
        ArgumentError: if the folder already holds a run, and neither resume nor overwrite is set.
        CheckpointError: if the run cannot be continued with these settings.
        DataError: if the file cannot be read.
        TrainingError: if the loss is not finite.
    """
    screen = screen or sys.stderr
    check_folder(config)
    with threads(config.threads), Interrupt() as interrupt:
        learner, folder = OnlineLearner(config, method), config.out / CHECKPOINTS
        make_folder(config)
        found = checkpoint.latest(folder) if config.resume else None
        if found is not None:
            learner.restore(found)
            print(_resumed(learner, config), file=screen, flush=True)
        ends = time.monotonic() + 60 * (config.minutes or float("inf"))
        path = None if config.text is None else Path(config.text)

        def over() -> bool:
            spent = config.steps is not None and learner.step >= config.steps
            return interrupt.requested or spent or time.monotonic() > ends

        stream = Stream(path, learner.position if path else 0, follow, over)
        with Log(config.out / LOG, learner.step) as log:
            _learn(learner, stream, log, folder, screen)
    return learner


def _learn(learner: OnlineLearner, stream: Stream, log: Log, folder: Path, screen: TextIO) -> None:
    every = learner.config.checkpoint_every or EVERY
    for piece in stream.pieces(learner.config.window or PIECE):
        if stream.stop():
            break
        bits = learner.learn(piece)
        log.write(learner.step, bytes=learner.position, bits=bits, running=learner.tally.late)
        if learner.step % every == 0:
            _save(learner, log, folder, screen)
    if learner.step % every:
        _save(learner, log, folder, screen)


def _save(learner: OnlineLearner, log: Log, folder: Path, screen: TextIO) -> None:
    log.sync()
    checkpoint.save(folder, learner.step, learner.content())
    tally = learner.tally
    print(
        f"{learner.position:,} bytes  {tally.late:.3f} bits per character of late, "
        f"{tally.whole:.3f} of all",
        file=screen,
        flush=True,
    )


def _resumed(learner: OnlineLearner, config: TrainConfig) -> str:
    """Where it goes on, and what was learned after the checkpoint and is forgotten."""
    later = [event for event in read_log(config.out / LOG) if event["step"] > learner.step]
    said = f"continuing after {learner.step:,} updates, {learner.position:,} bytes"
    if not later:
        return said
    lost = later[-1]["bytes"] - learner.position
    fate = "are read again" if config.text is not None else "came through a pipe and are lost"
    return f"{said}; {lost:,} bytes, {len(later):,} updates, were learned after it and {fate}"
