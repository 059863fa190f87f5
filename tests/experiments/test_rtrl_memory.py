from __future__ import annotations

import math

import torch

from ostinato.experiments import rtrl_memory
from ostinato.experiments.experiment import silent
from ostinato.experiments.rtrl_memory import CLAIMS, Ended, NoisyTMaze, Size
from ostinato.tasks.rl.t_maze import EAST


def test_the_corridor_shows_nothing_but_noise():
    maze = NoisyTMaze(400, length=3)
    sign = maze.reset(0)
    south = sign[:, 0] == 1
    assert (sign[:, 1] == 1).all()
    for _ in range(2):
        seen = maze.step(torch.full((400,), EAST)).observation
        assert seen[:, 1].sum() == 0
        for bit in (0, 2):
            # as often for either side
            assert abs(float(seen[south, bit].mean() - seen[~south, bit].mean())) < 0.2
            assert 0.4 < seen[:, bit].mean() < 0.6
    assert maze.step(torch.full((400,), EAST)).observation.unique(dim=0).tolist() == [[0, 1, 0]]


def test_it_resumes_with_its_noise():
    maze, again = NoisyTMaze(4, 3), NoisyTMaze(4, 3)
    maze.reset(0)
    again.load_state_dict(maze.state_dict())
    east = torch.full((4,), EAST)
    assert torch.equal(maze.step(east).observation, again.step(east).observation)


def test_shares_are_those_of_the_episodes():
    run = [Ended(1, 2), Ended(0, 0)] + [Ended(0, 0)] * 36 + [Ended(3, 3), Ended(0, 1)]
    shares = rtrl_memory._shares(run)
    assert (shares[0], shares[-1]) == (50, 75)
    assert math.isnan(shares[1])


def test_every_claim_is_measured_once_per_seed():
    measured = rtrl_memory.measure(Size(1, 20, 20, units=3, environments=3), 2, silent)
    assert set(measured.values) == set(CLAIMS)
    assert all(len(values) == 2 for values in measured.values.values())
    (panel,) = measured.panels
    assert [curve.label for curve in panel.curves] == [
        "RTRL, span 2", "truncated, span 2", "truncated, span 24"
    ]  # fmt: skip
    assert all(len(run) == len(curve.x) == 20 for curve in panel.curves for run in curve.runs)
