"""What a cloned policy is worth where its own actions lead to what it sees next.

Trained in an open loop on an expert's episodes, tested in a closed one: in the world of the
training, and in worlds that differ from it. Returns of different worlds have different scales, so
they are also given relative to the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ostinato.analysis.finding import Finding, Table
from ostinato.models.sequence_model import SequenceModel
from ostinato.tasks.environment import returns
from ostinato.tasks.imitation import ImitationTask
from ostinato.tasks.seeds import generator_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__papers__ = ("sparse-lowrank-cfc",)


@dataclass(frozen=True)
class ClosedLoop(Finding):
    """Returns by world.

    Attributes:
        worlds: their names, that of the training first.
        returns: (W, episodes).
    """

    worlds: tuple[str, ...]
    returns: Tensor

    @property
    def mean(self) -> dict[str, float]:
        """The mean return of each world."""
        return dict(zip(self.worlds, self.returns.mean(1).tolist(), strict=True))

    def table(self) -> Table:
        """One row for each world."""
        spread = self.returns.std(1).tolist()
        means = self.mean
        base = means[self.worlds[0]]
        rows = [
            [world, means[world], deviation, means[world] / base]
            for world, deviation in zip(self.worlds, spread, strict=True)
        ]
        return Table(["world", "return", "deviation", "of the first"], rows)

    def draw(self, axes: Axes) -> None:
        """A bar for each world."""
        axes.barh(self.worlds, self.returns.mean(1).numpy(), xerr=self.returns.std(1).numpy())
        axes.invert_yaxis()
        axes.set_xlabel("return")


def closed_loop(
    model: SequenceModel, task: ImitationTask, episodes: int = 200, seed: int = 0
) -> ClosedLoop:
    """Let a model act in every world of its task.

    Args:
        model: trained on the task.
        task: whose environments it acts in.
        episodes: in each world.
        seed: of the episodes, the same for every model.
    """
    worlds = task.environments()
    found = []
    for name, world in worlds.items():
        generator = generator_at(seed, "closed loop", name)
        found.append(returns(model.step, world, task.horizon, episodes, generator))
    return ClosedLoop(tuple(worlds), torch.stack(found))
