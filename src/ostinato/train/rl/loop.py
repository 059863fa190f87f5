"""The loop of an agent's run.

    result = train("t_maze", AgentConfig(cell="ELSTM", learner="rtrl", steps=100_000))
    print(result.evaluation)

A run that is killed at any moment and resumed goes on bit for bit, where its environments can.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import torch

from ostinato.core.errors import MissingExtraError
from ostinato.tasks.rl.vector_environment import NoPictureError
from ostinato.train import checkpoint
from ostinato.train.early_stopping import StopReason
from ostinato.train.folder import FILM, PICTURE, RESULT, TABLE, check_folder, make_folder
from ostinato.train.interrupt import Interrupt
from ostinato.train.log import Log, read_log
from ostinato.train.progress import Progress, progress
from ostinato.train.rl.config import AgentConfig
from ostinato.train.rl.episode_gif import Film, record_episode
from ostinato.train.rl.evaluation import Evaluation
from ostinato.train.rl.learning_curves import LearningCurves
from ostinato.train.rl.run import Run
from ostinato.train.run import threads


@dataclass(frozen=True)
class AgentResult:
    """What a run came to.

    Attributes:
        folder: of the run.
        reason: why it ended.
        steps: of all environments together.
        evaluation: of the policy at the end; None if the run was interrupted.
        film: an episode of it; None if there is nothing to see or to draw it with.
        curve: the learning curve as PNG; None without matplotlib, or an episode that ended.
        checkpoint: the last one.
        log: JSON lines.
        seconds: wall time of this part of the run.
    """

    folder: Path
    reason: StopReason
    steps: int
    evaluation: Evaluation | None
    film: Film | None
    curve: Path | None
    checkpoint: Path | None
    log: Path
    seconds: float


def train(environment: str, config: AgentConfig, stream: TextIO | None = None) -> AgentResult:
    """Let an agent learn.

    Args:
        environment: its name, as `make_environment` knows it.
        config: what acts, how it learns, for how long, and where to.
        stream: where progress is shown; None: standard error.

    Raises:
        ArgumentError: if the folder already holds a run, and neither resume nor overwrite is set.
        CheckpointError: if the run cannot be continued with these settings.
        TrainingError: if loss or gradient is not finite.
    """
    check_folder(config)
    began = time.monotonic()
    with threads(config.threads), torch.random.fork_rng(devices=[]), Interrupt() as interrupt:
        run = Run(environment, config)
        make_folder(config)
        found = checkpoint.latest(run.checkpoints) if config.resume else None
        if found is not None:
            run.restore(found)
        with progress(config.steps, run.step, stream) as shown:
            _greet(run, found, shown)
            reason = _learn(run, interrupt, shown)
            return _conclude(run, reason, shown, began)


def _learn(run: Run, interrupt: Interrupt, shown: Progress) -> StopReason:
    """Segments, evaluations and checkpoints until there is a reason to stop."""
    with Log(run.log_path, run.step) as log:
        while not run.is_over:
            _learn_segment(run, log, shown)
            if run.evaluates_now:
                _evaluate(run, log, shown)
            if run.evaluates_now or interrupt.requested:
                log.sync()
                run.save()
            if interrupt.requested and not run.is_over:
                return StopReason.INTERRUPTED
    return StopReason.STEPS


def _learn_segment(run: Run, log: Log, shown: Progress) -> None:
    learned, rate = run.learn()
    loss, returns = learned.loss, learned.finished.returns
    log.write(
        run.step,
        loss=loss.total.item(),
        policy_loss=loss.policy.item(),
        value_loss=loss.value.item(),
        entropy=loss.entropy.item(),
        divergence=loss.divergence.item(),
        gradient_norm=learned.gradient_norm,
        learning_rate=rate,
        episodes=len(returns),
        **({"return": returns.mean().item()} if len(returns) else {}),
    )
    recent = run.recent_return
    told = "no episode has ended" if recent is None else f"return {recent:.3f}"
    text = f"{told}  entropy {loss.entropy.item():.2f}  lr {rate:.2e}"
    shown.advance(run.step, run.config.segment_steps, text, "steps")


def _evaluate(run: Run, log: Log, shown: Progress) -> None:
    evaluation = run.evaluate()
    low, high = evaluation.interval()
    best = "  (best)" if run.best.update(evaluation.mean, run.step) else ""
    log.write(run.step, score=evaluation.mean, low=low, high=high)
    shown.note(f"step {run.step:,}  return {evaluation}{best}")


def _conclude(run: Run, reason: StopReason, shown: Progress, began: float) -> AgentResult:
    ended = reason is StopReason.STEPS
    result = AgentResult(
        folder=run.config.out,
        reason=reason,
        steps=run.step,
        evaluation=run.evaluate() if ended else None,
        film=_record(run, shown) if ended else None,
        curve=_draw(run, shown),
        checkpoint=checkpoint.latest(run.checkpoints),
        log=run.log_path,
        seconds=time.monotonic() - began,
    )
    _write_summary(run, result)
    return result


def _write_summary(run: Run, result: AgentResult) -> None:
    evaluation = result.evaluation
    facts = {
        "environment": run.environment,
        "reason": result.reason.name,
        "steps": result.steps,
        "best": run.best.state_dict(),
        "return": evaluation and evaluation.mean,
        "interval": evaluation and evaluation.interval(),
        "config": run.config.to_json(),
        "torch": torch.__version__,
    }
    temporary = result.folder / f".{RESULT}.unfinished"
    temporary.write_text(json.dumps(facts, indent=1, default=str) + "\n", encoding="utf-8")
    os.replace(temporary, result.folder / RESULT)


def _draw(run: Run, shown: Progress) -> Path | None:
    """The returns of the episodes that were learned from, over steps."""
    if not any("return" in event for event in read_log(run.log_path)):
        return None
    config = run.config
    curves = LearningCurves.of_logs([run.log_path], "return")
    curves.write_table(config.out / TABLE)
    title = f"{config.cell} by {config.algorithm} and {config.learner} in {run.environment}"
    try:
        curves.draw(config.out / PICTURE, "return", title)
    except MissingExtraError as error:
        shown.note(str(error))
        return None
    return config.out / PICTURE


def _record(run: Run, shown: Progress) -> Film | None:
    try:
        return record_episode(run.player(), run.make_environment(1), run.config.out / FILM)
    except (MissingExtraError, NoPictureError) as error:
        shown.note(str(error))
        return None


def _greet(run: Run, found: Path | None, shown: Progress) -> None:
    config, environment = run.config, run.agent.environment
    count = sum(p.numel() for p in run.agent.policy.parameters())
    shown.note(
        f"{config.cell} by {config.algorithm} and {config.learner} in {run.environment}: "
        f"{count:,} parameters, {environment.observation_size} numbers seen, "
        f"{environment.actions} actions"
    )
    if found is not None:
        shown.note(f"continuing from {found}")
    elif config.resume:
        shown.note(f"no checkpoint in {config.out} yet: starting at step 0")
