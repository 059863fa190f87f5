"""The nets of the experiment on timescales."""

from __future__ import annotations

import torch

from ostinato.experiments.experiment import silent
from ostinato.experiments.timescales_nets import RECIPES, Scale, train
from ostinato.tasks.match_to_sample import MatchToSampleTask


def test_a_net_that_learns_climbs():
    scale = Scale(hidden=32, hardest=3, epochs=12, updates=60)
    run = train("leaky, match to sample", "multi-head", scale, 0, silent)
    assert run.net.head.out_features == 2
    assert run.hardest[0] in (1, 2)
    assert run.hardest == sorted(run.hardest)
    assert run.solved
    for n, epoch in run.solved.items():
        assert run.hardest[epoch - 1] == n
        assert run.epochs(n) == epoch
    assert run.epochs(99) == len(run.hardest) == len(run.tau)
    assert all(1 <= tau < 2 for tau in run.tau)


def test_a_single_head_answers_for_one_n_after_another():
    scale = Scale(hidden=8, hardest=4, epochs=2, updates=1)
    run = train("GRU", "single-head", scale, 1, silent)
    assert run.net.head.out_features == 1
    assert run.signed
    assert run.hardest == [1, 1]
    assert run.tau == []


def test_a_seed_gives_the_same_net():
    scale = Scale(hidden=8, hardest=3, epochs=1, updates=2)
    one, same, other = (train("LSTM", "sliding", scale, seed, silent).net for seed in (0, 0, 1))
    assert torch.equal(one.head.weight, same.head.weight)
    assert not torch.equal(one.head.weight, other.head.weight)


def test_both_tasks_of_the_paper_are_learned():
    assert {recipe.task.name for recipe in RECIPES.values()} == {"parity", MatchToSampleTask.name}
