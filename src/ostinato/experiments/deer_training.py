"""A GRU that classifies long sequences, trained on states that Newton's method found, or a loop."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.cells.gru import GRUCell
from ostinato.engines.parallel.solves import newton
from ostinato.over.time import RNN
from ostinato.tasks.spoken_digits import SpokenDigitsTask
from ostinato.tasks.task import Symbols, Task
from ostinato.tasks.which_process import WhichProcessTask

_BATCH, _RATE = 8, 3e-2
# Means of units lie near zero, and samples of speech do: both are brought to the scale of 1.
_GAIN = 8.0


@cache
def long_task(data: str | None) -> Task:
    """The speakers of spoken digits in a folder, or the five processes; T = 4,096."""
    return WhichProcessTask() if data is None else SpokenDigitsTask(data, label="speaker")


class Classifier(nn.Module):
    """The mean of a GRU over time, then a linear map.

    Args:
        task: what is classified.
        hidden_size: H.
        engine: what runs the GRU.
    """

    def __init__(self, task: Task, hidden_size: int, engine: str) -> None:
        super().__init__()
        assert isinstance(task.outputs, Symbols)
        self.rnn = RNN(GRUCell(1, hidden_size), engine)
        self.output = nn.Linear(hidden_size, task.outputs.count)
        self.gain = _GAIN if isinstance(task, SpokenDigitsTask) else 1.0

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of x (B, T, 1)."""
        found: Tensor = self.output(_GAIN * self.rnn(self.gain * x)[0].mean(1))
        return found


def train(task: Task, hidden: int, engine: str, updates: int) -> tuple[Classifier, list[float]]:
    """Train from torch's random state; the classifier and the loss of every update."""
    model = Classifier(task, hidden, engine)
    return model, learn(model, task, updates)


def learn(
    model: nn.Module, task: Task, updates: int, rate: float = _RATE, rows: int = _BATCH
) -> list[float]:
    """Train what gives logits for inputs by Adam; the loss of every update."""
    optimizer, losses = torch.optim.Adam(model.parameters(), rate), list[float]()
    for step in range(updates):
        batch = task.batch(step, rows)
        loss = F.cross_entropy(model(batch.inputs), batch.targets)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


def train_by_newton(task: Task, hidden: int, updates: int) -> tuple[Classifier, list[float], float]:
    """The same with Newton's method, and the share of its windows that it solved."""
    with newton() as solves:
        model, losses = train(task, hidden, "parallel", updates)
    return model, losses, sum(solve.engine is None for solve in solves) / len(solves)


@torch.no_grad()
def accuracy(model: nn.Module, task: Task) -> float:
    """Percent right in the split "test"."""
    scores = [task.score(model(b.inputs), b) for b in task.held_out("test", 50)]
    return 100 * sum(right for right, _ in scores) / sum(count for _, count in scores)
