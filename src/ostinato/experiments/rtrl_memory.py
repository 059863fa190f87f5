"""An agent that must remember longer than its segments are: R2AC against truncation.

A T-maze (`tasks/rl/t_maze`) whose corridor shows the bits of the sign at random, so that what the
net remembers by chance is soon covered. The agents are A2C with one eLSTM. Two act and learn in
segments far shorter than the way, and differ in what is carried from one to the next; a third has
longer ones. Measured is the share of episodes that end at the goal: who remembers nothing
reaches it half of the time.
The paper's environments, DMLab and Atari, are not part of this project.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from ostinato.cells.elstm import ELSTMCell
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.over.time import RNN
from ostinato.tasks.rl.t_maze import TMaze
from ostinato.tasks.rl.tensor_environment import World
from ostinato.train.rl.a2c import A2C
from ostinato.train.rl.agent import Agent
from ostinato.train.rl.learners import make_learner
from ostinato.train.rl.policy import RecurrentPolicy

FORWARD = Claim(
    "noisy T-maze, A2C with RTRL in segments of 2: right turns (%)",
    "RTRL > TBPTT where the span is short (watermaze, M = 10: 40.2 vs. 15.8)",
    at_least=95,
)
CUT = Claim(
    "noisy T-maze, A2C truncated at 2 steps: right turns (%)",
    "fails (select_nonmatching, M = 10: 54.5 vs. 61.8)",
    at_most=60,
)
WHOLE = Claim(
    "noisy T-maze, A2C truncated at 24 steps: right turns (%)",
    "a long span is enough (select_nonmatching, M = 100: 61.7 vs. 62.2)",
    at_least=90,
)
CLAIMS = (FORWARD, CUT, WHOLE)

_SHORT, _LONG = 2, 24
_POINTS = 20
_RIGHT = 3.0  # The goal brings 4, and what is wasted on the way 0.1 a step.


@dataclass(frozen=True)
class Size:
    """How far it is, and how long they learn.

    Attributes:
        length: steps from the sign to the junction.
        updates: segments of 2 steps.
        long_updates: segments of 24 steps.
        units: of the eLSTM.
        environments: side by side.
    """

    length: int
    updates: int
    long_updates: int
    units: int = 16
    environments: int = 32


class NoisyTMaze(TMaze):
    """A T-maze whose corridor shows both bits of the sign at random, without the mark between.

    B. Bakker 2002, "Reinforcement learning with long short-term memory", NeurIPS 14, has real
    numbers in [0, 1] there; bits look more like the sign.
    """

    def begin(self, episodes: int, generator: Generator) -> World:
        """At the start."""
        return super().begin(episodes, generator) | {"shown": torch.zeros(episodes, 2)}

    def advance(self, world: World, action: Tensor) -> tuple[World, Tensor, Tensor]:
        """Walk on, and draw what the corridor shows."""
        walked, reward, over = super().advance(world, action)
        shown = torch.randint(2, (len(action), 2), generator=self._generator).float()
        return walked | {"shown": shown}, reward, over

    def observe(self, world: World) -> Tensor:
        """Three bits (E, 3)."""
        seen, shown = super().observe(world), world["shown"]
        within = (world["place"] > 0) & (world["place"] < self.length)
        noisy = torch.stack([shown[:, 0], torch.zeros(len(seen)), shown[:, 1]], 1)
        return torch.where(within[:, None], noisy, seen)


class Ended(NamedTuple):
    """Episodes that ended while a segment was acted.

    Attributes:
        right: how many at the goal.
        episodes: of all.
    """

    right: int
    episodes: int


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Train both agents with the seeds 0 … seeds−1."""
    settings = {
        "RTRL, span 2": ("rtrl", _SHORT, size.updates),
        "truncated, span 2": ("tbptt", _SHORT, size.updates),
        "truncated, span 24": ("tbptt", _LONG, size.long_updates),
    }
    shares = {
        label: [_shares(_learned(*each, size, seed, track)) for seed in range(seeds)]
        for label, each in settings.items()
    }
    curves = []
    for label, (_, span, updates) in settings.items():
        part = updates * span * size.environments / _POINTS
        curves.append(Curve(label, [part * (i + 0.5) for i in range(_POINTS)], shares[label]))
    finals = [[run[-1] for run in own] for own in shares.values()]
    return Measurement(
        dict(zip(CLAIMS, finals, strict=True)),
        [Panel("step of all environments", "noisy T-maze, right turns (%)", curves)],
    )


def _learned(
    learner: str, span: int, updates: int, size: Size, seed: int, track: Track
) -> list[Ended]:
    torch.manual_seed(seed)
    cell = ELSTMCell(RecurrentPolicy.input_size(3, 4), size.units, forget_bias=2.0)
    layer = RNN(cell)
    agent = Agent(
        RecurrentPolicy(layer, size.units, TMaze.actions),
        make_learner(learner, layer),
        A2C(discount=0.98, learning_rate=4e-3),
        NoisyTMaze(size.environments, size.length, limit=4 * (size.length + 1)),
        steps=span,
        clip=40.0,
        seed=seed,
    )
    found = []
    for _ in track(range(updates), f"noisy T-maze, {learner}, span {span}, seed {seed}"):
        returns = agent.learn().finished.returns
        found.append(Ended(int((returns > _RIGHT).sum()), len(returns)))
    return found


def _shares(run: Sequence[Ended]) -> list[float]:
    """Right turns in percent of the episodes in each of equal parts of a run."""
    found = []
    for part in range(_POINTS):
        own = run[len(run) * part // _POINTS : len(run) * (part + 1) // _POINTS]
        right, count = (sum(each) for each in zip(*own, strict=True)) if own else (0, 0)
        found.append(100 * right / count if count else float("nan"))
    return found
