"""Small agents in a maze whose episodes end, and are cut off, within a segment."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

import ostinato as ost
from ostinato.cells import ELSTMCell, GRUCell
from ostinato.tasks.rl.t_maze import TMaze
from ostinato.train.rl.a2c import A2C
from ostinato.train.rl.agent import Agent
from ostinato.train.rl.learners import make_learner
from ostinato.train.rl.policy import RecurrentPolicy

UNITS = 6


@pytest.fixture
def make_layer():
    """A layer for the maze; in double precision, if rounding is not to hide anything."""

    def make(cell="ELSTM", layers=1, dtype=torch.float32):
        torch.manual_seed(0)
        kind = {"ELSTM": ELSTMCell, "GRU": GRUCell}[cell]
        sizes = [RecurrentPolicy.input_size(3, 4)] + [UNITS] * layers
        made = [ost.RNN(kind(a, b, dtype=dtype), "reference") for a, b in pairwise(sizes)]
        return made[0] if layers == 1 else ost.Stack(made)

    return make


@pytest.fixture
def make_agent(make_layer):
    """An agent in 6 mazes of 1 field, cut off after 5 steps; segments of 7."""

    def make(learner="tbptt", algorithm=None, steps=7, number=6, **options):
        layer = make_layer(**options)
        policy = RecurrentPolicy(layer, UNITS, 4).to(next(layer.parameters()).dtype)
        environment = TMaze(number, length=1, limit=5)
        return Agent(
            policy, make_learner(learner, layer), algorithm or A2C(), environment,
            steps=steps, clip=40.0, seed=3,
        )  # fmt: skip

    return make
