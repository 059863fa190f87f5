from __future__ import annotations

import torch

from ostinato.tasks.rl.t_maze import EAST, TMaze
from ostinato.train.rl.acting import Play


def test_what_is_handed_to_the_policy():
    told = []

    def acting(observation, state, begin, reward):
        told.append((observation, state, begin.tolist(), reward))
        action = torch.full((2,), EAST)
        action[0] = 0 if len(told) == 3 else EAST
        return action, len(told)

    maze = TMaze(2, length=2)
    play = Play(acting, maze, seed=5)
    made = [play.step() for _ in range(4)]
    assert torch.equal(told[0][0], TMaze(2, length=2).reset(5))
    assert [each[1] for each in told] == [None, 1, 2, 3]
    assert [each[2] for each in told] == [
        [True, True], [False, False], [False, False], [True, False]
    ]  # fmt: skip
    for before, after in zip(made, told[1:], strict=False):
        assert torch.equal(before.observation, after[0])
    # The first environment chose a side and begins anew: that reward is not of its new episode.
    assert float(made[2].reward[0]) != 0
    assert told[3][3].tolist() == [0, float(made[2].reward[1])]
