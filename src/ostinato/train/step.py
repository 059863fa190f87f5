"""One optimizer step: batch, loss, gradient, transforms, update."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ostinato.core.errors import TrainingError
from ostinato.core.state import detach
from ostinato.tasks.task import Batch
from ostinato.train import checkpoint
from ostinato.train.early_stopping import StopReason
from ostinato.train.interrupt import Interrupt
from ostinato.train.run import Run
from ostinato.train.schedule import learning_rate_factor
from ostinato.train.seeding import step_seed
from ostinato.train.transforms import global_norm, with_gradient


@dataclass(frozen=True)
class Step:
    """What came of an optimizer step, the same in every process.

    Attributes:
        loss: mean over the whole batch, before the update.
        learning_rate: of the update.
        gradient_norm: before clipping and noise.
        items: the weight of the batch: how many targets were learned from.
        stop: a wish to end the run after this step.
    """

    loss: float
    learning_rate: float
    gradient_norm: float
    items: float
    stop: StopReason | None


def advance(run: Run, interrupt: Interrupt) -> Step:
    """Do the next optimizer step of the run.

    Raises:
        TrainingError: if loss or gradient is not finite; the run is as it was before.
    """
    process, config = run.accelerator, run.config
    torch.manual_seed(step_seed(config.seed, run.step, f"dropout/{process.process_index}"))
    batch, share, items = _own_rows(run, run.task.batch(run.step, run.rows))
    outputs, state = run.model(batch.inputs, run.state, batch.lengths, batch.resets)
    loss = run.task.loss(outputs, batch) * share
    run.optimizer.zero_grad()
    process.backward(loss)
    norm = float(global_norm(e.gradient for e in with_gradient(run.model.parameters())))
    whole_loss, stop = _agree(run, loss.detach(), interrupt)
    if not (math.isfinite(whole_loss) and math.isfinite(norm)):
        raise _not_finite(run, whole_loss, norm)
    run.transforms(run.optimizer.param_groups)
    rate = _set_learning_rate(run)
    run.optimizer.step()
    run.state = detach(state) if run.task.continues else None
    run.step += 1
    return Step(whole_loss, rate, norm, items, stop)


def _own_rows(run: Run, whole: Batch) -> tuple[Batch, float, float]:
    """This process's rows of a batch, the factor of their loss, and the batch's weight.

    Gradients are averaged over processes, so rows with more weight need a larger factor: else
    two processes would train differently from one.
    """
    process, size = run.accelerator, run.config.batch_size
    own = whole.rows(process.process_index * size, (process.process_index + 1) * size)
    total = float(whole.target_weights(run.task.per_step).sum())
    weight = float(own.target_weights(run.task.per_step).sum())
    factor = process.num_processes * weight / total if total else 1.0
    return own.to(process.device), factor, total


def _agree(run: Run, loss: Tensor, interrupt: Interrupt) -> tuple[float, StopReason | None]:
    """The loss of the whole batch, and whether any process wishes to stop."""
    wishes = loss.new_tensor([interrupt.requested, run.budget.is_over()])
    told = run.accelerator.reduce(torch.cat([loss.view(1), wishes]), "sum").tolist()
    total, interrupted, over = told
    stop = StopReason.INTERRUPTED if interrupted else StopReason.MINUTES if over else None
    return total / run.accelerator.num_processes, stop


def _set_learning_rate(run: Run) -> float:
    config, progress = run.config, run.budget.progress(run.step)
    factor = learning_rate_factor(config.schedule, progress, run.step, config.warmup)
    for group in run.optimizer.param_groups:
        group["lr"] = config.learning_rate * factor
    return config.learning_rate * factor


def _not_finite(run: Run, loss: float, norm: float) -> TrainingError:
    good = checkpoint.latest(run.checkpoints)
    saved = f"The last good checkpoint is {good}." if good else "There is no checkpoint yet."
    return TrainingError(
        f"in step {run.step} the loss is {loss} and the norm of its gradient {norm}; both must "
        f"be finite. Nothing of this step was kept. {saved} Begin a new run with a smaller "
        "--learning_rate or --clip, or look for extreme values in the data."
    )
