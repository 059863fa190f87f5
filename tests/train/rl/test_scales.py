from __future__ import annotations

import torch

from ostinato.train.rl.scales import Moments, Scales


def test_moments_are_those_of_all_rows():
    torch.manual_seed(0)
    moments, parts = Moments(3), [5 + 2 * torch.randn(n, 3) for n in (1, 40, 7)]
    for part in parts:
        moments.update(part)
    rows = torch.cat(parts).double()
    torch.testing.assert_close(moments.mean, rows.mean(0))
    torch.testing.assert_close(moments.variance, rows.var(0, correction=0))
    assert moments.count == 48


def test_before_anything_is_seen_nothing_changes():
    scales, seen = Scales(3, standard=True), torch.randn(4, 3)
    torch.testing.assert_close(scales.observation(seen), seen)
    assert scales.reward(torch.tensor([5.0])).tolist() == [5]
    assert scales.observation(seen).dtype == torch.float32


def test_what_never_changes_does_not_become_infinite():
    scales = Scales(1, standard=True)
    scales.update(torch.full((9, 1), 3.0), torch.zeros(9))
    assert scales.observation(torch.tensor([[3.0], [4.0]])).tolist() == [[0], [10]]
    assert scales.reward(torch.ones(1)).isfinite().all()


def test_as_they_are_only_the_bound_is_left():
    scales = Scales(3, reward_clip=2.0)
    scales.update(torch.randn(9, 3), torch.randn(9))
    seen = torch.randn(4, 3)
    assert scales.observation(seen) is seen
    assert scales.reward(torch.tensor([3.0, -5, 1])).tolist() == [2, -2, 1]
    assert not list(scales.state_dict())
