from __future__ import annotations

import pytest
import torch

from ostinato.tasks.rl.t_maze import EAST, NORTH, SOUTH, WEST, TMaze


def walk(maze, *actions):
    return [maze.step(torch.full((maze.number,), action)) for action in actions]


def test_observations_along_the_way():
    maze = TMaze(40, length=3)
    sign = maze.reset(0)
    north = sign[:, 0] == 0
    assert sign[north].unique(dim=0).tolist() == [[0, 1, 1]]
    assert sign[~north].unique(dim=0).tolist() == [[1, 1, 0]]
    assert 5 < north.sum() < 35
    seen = [t.observation for t in walk(maze, EAST, EAST, EAST)]
    assert [each.unique(dim=0).tolist() for each in seen] == [[[1, 0, 1]]] * 2 + [[[0, 1, 0]]]


@pytest.mark.parametrize(("choice", "row"), [(NORTH, 0), (SOUTH, 1)])
def test_only_the_side_of_the_sign_is_rewarded_and_both_end_the_episode(choice, row):
    maze = TMaze(30, length=2)
    south = maze.reset(1)[:, 0] == 1
    *way, last = walk(maze, EAST, EAST, choice)
    assert all(float(t.reward.abs().sum()) == 0 for t in way)
    right = south == bool(row)
    assert last.terminated.all()
    assert torch.equal(last.reward, torch.where(right, 4.0, -0.1))
    assert last.lengths.tolist() == [3] * 30


def test_steps_that_lead_nowhere_cost_and_the_sign_is_seen_again_on_return():
    maze = TMaze(4, length=2)
    sign = maze.reset(0)
    costs = [float(t.reward[0]) for t in walk(maze, WEST, NORTH, SOUTH, EAST, NORTH, WEST)]
    assert costs == pytest.approx([-0.1, -0.1, -0.1, 0, -0.1, 0])
    assert torch.equal(walk(maze, WEST)[0].observation, sign)
    end = walk(maze, EAST, EAST, EAST, WEST)
    assert [float(t.reward[0]) for t in end] == pytest.approx([0, 0, -0.1, 0])


def test_an_episode_that_stands_still_is_cut_off():
    maze = TMaze(3, length=4, limit=7)
    maze.reset(0)
    assert walk(maze, *[WEST] * 7)[-1].truncated.all()
    assert TMaze(3, length=4).limit == 50
