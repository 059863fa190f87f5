from __future__ import annotations

import torch

from ostinato.tasks.rl.episode_totals import EpisodeTotals


def test_totals_of_an_ended_episode_are_taken_once():
    totals = EpisodeTotals(3)
    for _ in range(2):
        totals.add(torch.tensor([1.0, 2, 3]))
    returns, lengths = totals.take(torch.tensor([False, True, True]))
    assert (returns.tolist(), lengths.tolist()) == ([4, 6], [2, 2])
    totals.add(torch.ones(3))
    assert totals.returns.tolist() == [3, 1, 1]
    assert totals.lengths.tolist() == [3, 1, 1]
