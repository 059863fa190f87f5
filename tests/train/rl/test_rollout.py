"""Acting against an environment whose every number is known."""

from __future__ import annotations

import pytest
import torch

from ostinato.tasks.rl.vector_environment import Transition
from ostinato.train.rl.policy import RecurrentPolicy
from ostinato.train.rl.rollout import Actor
from ostinato.train.rl.scales import Scales

PERIODS = torch.tensor([3, 3, 100])


class Clock:
    """Shows the step of its episode: the first ends after 3 steps, the second is cut off then."""

    name, number, observation_size, actions = "clock", 3, 3, 4

    def reset(self, seed=None):
        self.time = torch.zeros(3, dtype=torch.long)
        return self._seen(self.time)

    def step(self, action):
        self.action = action
        time = self.time + 1
        over = time == PERIODS
        self.time = torch.where(over, 0, time)
        ended, cut = (
            over & torch.tensor([True, False, False]),
            over & torch.tensor([False, True, False]),
        )
        seen, last = self._seen(self.time), self._seen(time)
        reward = torch.full((3,), 2.0)
        return Transition(seen, reward, ended, cut, last, 2.0 * time[over], time[over])

    @staticmethod
    def _seen(time):
        return torch.stack([time, time * 0, time * 0], 1).float()


@pytest.fixture
def actor(make_layer):
    made = Actor(Clock(), RecurrentPolicy(make_layer("GRU"), 6, 4, Scales(3, reward_clip=1.0)), 0.5)
    made.reset(0)
    return made


def test_a_segment_is_what_was_seen_and_done(actor):
    segment, finished = actor.act(None, 5, torch.Generator().manual_seed(0))
    assert segment.x.shape == (3, 5, 8)
    assert segment.x[..., 0].tolist() == [[0, 1, 2, 0, 1]] * 2 + [[0, 1, 2, 3, 4]]
    assert segment.begins.tolist() == [[True, False, False, True, False]] * 2 + [
        [True] + [False] * 4
    ]
    assert segment.trace.joined.tolist() == [[True, True, False, True, False]] * 2 + [
        [True] * 4 + [False]
    ]
    assert torch.equal(segment.actions[:, -1], actor.environment.action)
    # What was done and earned is read at the next step of the episode.
    assert torch.equal(segment.x[2, 1:, 3:7].argmax(1), segment.actions[2, :-1])
    assert segment.x[2, :, 7].tolist() == [0, 1, 1, 1, 1]
    assert segment.x[0, 3, 3:].tolist() == [0] * 5
    assert segment.trace.rewards.unique().tolist() == [1]
    assert finished.returns.tolist() == [6, 6]
    assert finished.lengths.tolist() == [3, 3]


def test_segments_go_on(actor):
    (first, _), generator = actor.act(None, 5, torch.Generator().manual_seed(0)), torch.Generator()
    _, state = actor.policy.layer(first.x, resets=first.begins)
    second, _ = actor.act(state, 2, generator)
    assert second.x[..., 0].tolist() == [[2, 0]] * 2 + [[5, 6]]
    assert second.begins.tolist() == [[False, True]] * 2 + [[False, False]]


def test_what_was_judged_is_what_the_layer_judges(actor):
    segment, _ = actor.act(None, 5, torch.Generator().manual_seed(0))
    hidden, _ = actor.policy.layer(segment.x, resets=segment.begins)
    judged = actor.policy.judge(hidden)
    torch.testing.assert_close(segment.values, judged.values)
    torch.testing.assert_close(segment.log_probabilities, judged.of(segment.actions))


def test_values_go_on_where_an_episode_is_cut_off_and_not_where_it_ends(actor):
    segment, _ = actor.act(None, 5, torch.Generator().manual_seed(0))
    beyond, policy = segment.trace.beyond, actor.policy
    assert (beyond != 0).tolist() == [
        [False, False, False, False, True],
        [False, False, True, False, True],
        [False, False, False, False, True],
    ]
    # Row 1 was cut off at time 3: that is what it would have seen and judged next.
    last = policy.inputs(torch.tensor([[3.0, 0, 0]]), segment.actions[1:2, 2], torch.ones(1))
    hidden, _ = policy.layer(torch.cat([segment.x[1:2, :3], last[:, None]], 1))
    torch.testing.assert_close(beyond[1, 2], policy.judge(hidden).values[0, -1])
    # Row 2 goes on behind the segment.
    hidden, _ = policy.layer(torch.cat([segment.x[2:], actor.x[2:, None]], 1))
    torch.testing.assert_close(beyond[2, -1], policy.judge(hidden).values[0, -1])


def test_scales_take_in_a_segment_when_it_is_over(make_layer):
    scales = Scales(3, standard=True, reward_clip=1.0)
    actor = Actor(Clock(), RecurrentPolicy(make_layer("GRU"), 6, 4, scales), 0.5)
    actor.reset(0)
    segment, _ = actor.act(None, 4, torch.Generator().manual_seed(0))
    # All of the segment is read as it is.
    assert segment.x[2, :, 0].tolist() == [0, 1, 2, 3]
    seen = torch.tensor([[1.0, 2, 0, 1], [1, 2, 0, 1], [1, 2, 3, 4]])
    sums = torch.tensor([[1, 1.5, 1.75, 1], [1, 1.5, 1.75, 1], [1, 1.5, 1.75, 1.875]])
    torch.testing.assert_close(scales.seen.mean[0].float(), seen.mean())
    torch.testing.assert_close(scales.earned.variance[0].float(), sums.var(correction=0))
    torch.testing.assert_close(actor.sums, sums[:, -1])
    segment, _ = actor.act(None, 2, torch.Generator().manual_seed(0))
    expected = (5 - seen.mean()) / seen.std(correction=0)
    torch.testing.assert_close(segment.x[2, 1, 0], expected)
    torch.testing.assert_close(segment.trace.rewards[0, 0], 1 / sums.std(correction=0))
