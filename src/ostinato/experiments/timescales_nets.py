"""The nets of the experiment on timescales, and how they climb a curriculum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ostinato.cells import make_cell
from ostinato.experiments.experiment import Track
from ostinato.models.sequence_model import SequenceModel
from ostinato.over.time import RNN
from ostinato.tasks.match_to_sample import MatchToSampleTask
from ostinato.tasks.memory_span import MemorySpanTask
from ostinato.tasks.parity import ParityTask
from ostinato.train.curriculum import Curriculum, climb
from ostinato.train.transforms import ClipNorm

CURRICULA: dict[str, int | None] = {"single-head": 1, "multi-head": None, "sliding": 2}
"""How many of the N reached so far are trained together."""

_ROWS = 250


@dataclass(frozen=True)
class Scale:
    """Sizes of the experiment.

    Attributes:
        hidden: units.
        hardest: the last N of the curricula.
        epochs: at most.
        updates: optimizer steps in an epoch.
    """

    hidden: int
    hardest: int
    epochs: int
    updates: int


@dataclass(frozen=True)
class Recipe:
    """How nets of one kind are trained.

    Attributes:
        cell: its name.
        task: about the last N bits.
        signed: whether bits are −1 and 1.
        batch: rows.
        optimizer: from parameters to their optimizer.
    """

    cell: str
    task: type[MemorySpanTask]
    signed: bool
    batch: int
    optimizer: Callable[..., torch.optim.Optimizer]


def _adam(parameters: object) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, 1e-3)  # type: ignore[arg-type]


def _sgd(parameters: object) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, 0.05, 0.1, nesterov=True)  # type: ignore[arg-type]


RECIPES = {
    "leaky": Recipe("Leaky", ParityTask, False, 128, _sgd),
    "leaky, match to sample": Recipe("Leaky", MatchToSampleTask, False, 128, _sgd),
    "GRU": Recipe("GRU", ParityTask, True, 64, _adam),
    "LSTM": Recipe("LSTM", ParityTask, True, 64, _adam),
}


@dataclass(frozen=True)
class Climb:
    """A net at the end of its curriculum.

    Attributes:
        net: the model.
        signed: whether it reads −1 and 1.
        solved: after which epoch each N was solved.
        hardest: the hardest N solved after each epoch, 1 before there is one.
        tau: the mean time constant after each epoch; empty for a cell without.
    """

    net: SequenceModel
    signed: bool
    solved: dict[int, int]
    hardest: list[int]
    tau: list[float]

    def epochs(self, n: int) -> int:
        """Epochs until N was solved; if it never was, those there were: fewer than needed."""
        return self.solved.get(n, len(self.hardest))


def train(kind: str, curriculum: str, scale: Scale, seed: int, track: Track) -> Climb:
    """Train a net from N = 2 until the hardest N is solved, or the epochs are over.

    Args:
        kind: one of `RECIPES`.
        curriculum: one of `CURRICULA`.
        scale: sizes.
        seed: of weights and bits.
        track: shows the progress.
    """
    recipe, keep = RECIPES[kind], CURRICULA[curriculum]
    hardest, hidden = scale.hardest, scale.hidden
    torch.manual_seed(seed)
    heads = 1 if keep == 1 else hardest - 1
    head = nn.Linear(hidden, heads)
    layer = RNN(make_cell(recipe.cell, 1, hidden))
    net = SequenceModel(nn.Identity(), layer, head, per_step=False)
    school = _School(net, recipe, heads, scale.updates, seed)
    result = Climb(net, recipe.signed, {}, [], [])
    steps = track(range(1, scale.epochs + 1), f"{kind}, {curriculum}, seed {seed}")
    for epoch in climb(
        Curriculum(range(2, hardest + 1), keep), school.train, school.measure, steps
    ):
        if epoch.solved:
            result.solved[epoch.active[-1]] = epoch.number
        result.hardest.append(max(result.solved, default=1))
        if recipe.cell == "Leaky":
            tau = layer.cell.get_parameter("tau").detach()
            result.tau.append(float(tau.clamp_min(1).mean()))
    return result


class _School:
    """Epochs of training, and examinations."""

    def __init__(
        self, net: SequenceModel, recipe: Recipe, heads: int, updates: int, seed: int
    ) -> None:
        self.net, self.recipe, self.heads, self.updates = net, recipe, heads, updates
        self.seed, self.step = seed, 0
        self.optimizer, self.clip = recipe.optimizer(net.parameters()), ClipNorm(2.0)

    def task(self, active: Sequence[int]) -> MemorySpanTask:
        """The task for these N together."""
        kind, signed = self.recipe.task, self.recipe.signed
        return kind(active[-1], self.heads, active[0], signed, self.seed)

    def train(self, active: Sequence[int]) -> None:
        """An epoch."""
        task = self.task(active)
        for _ in range(self.updates):
            batch = task.batch(self.step, self.recipe.batch)
            loss = task.loss(self.net(batch.inputs)[0], batch)
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
            self.clip(self.net.parameters())
            self.optimizer.step()
            self.step += 1

    @torch.no_grad()
    def measure(self, active: Sequence[int]) -> list[float]:
        """The accuracy on 1,000 held-out sequences for each N."""
        task = self.task(active)
        right = [task.right(self.net(b.inputs)[0], b) for b in task.held_out("valid", _ROWS)]
        found: Tensor = torch.cat(right).double().mean(0)
        return found.tolist()
