"""Word problems, in the experiment on DeltaProduct."""

from __future__ import annotations

import pytest
import torch

from ostinato.analysis.key_subspace import KeySubspace
from ostinato.experiments import deltaproduct_groups
from ostinato.experiments.deltaproduct_groups import (
    BETA,
    KEYS,
    LONGER,
    ONE,
    POSITIVE,
    SOLVED,
    GradualWords,
    Size,
    Words,
    measure,
)
from ostinato.experiments.deltaproduct_nets import Shape, Training, build
from ostinato.experiments.experiment import silent
from ostinato.tasks.word_problem import WordProblemTask
from ostinato.train.evaluate import evaluate


def test_the_worst_group_of_each_seed_decides(monkeypatch):
    scores = {("S4", 2): 99.0, ("S4", 1): 40.0, ("S5", 4): 97.0, ("S5", 1): 5.0}

    def accuracies(net, group, seed, lengths):
        assert lengths == ([8, 16, 32, 128] if group == "S4" else [6, 12, 24, 96])
        shape = net
        if not shape.negative:
            return [30.0 + seed, 0, 0, 0]
        return [scores[group, shape.updates], 0, scores[group, shape.updates] - seed, 0]

    shares = torch.tensor([[0.3, 0.5, 0.7, 1.0], [0.4, 0.8, 0.98, 1.0]])
    found = KeySubspace(shares, torch.tensor([1.0, 1.9]), torch.tensor([1.5, 2.0]))
    monkeypatch.setattr(deltaproduct_groups, "_net", lambda size, group, shape, *_: shape)
    monkeypatch.setattr(deltaproduct_groups, "_accuracies", accuracies)
    monkeypatch.setattr(deltaproduct_groups, "_keys", lambda net: found)
    groups = {"S4": Words(2, {4: 1, 8: 1}), "S5": Words(4, {6: 2})}
    size = Size(groups, Training(8, 2, updates=1))
    measured = measure(size, 2, silent)
    assert measured.values == {
        SOLVED: [97, 97],
        LONGER: [97, 96],
        ONE: [40, 40],
        POSITIVE: [30, 31],
        KEYS: [pytest.approx(98)] * 2,
        BETA: [pytest.approx(1.9)] * 2,
    }
    words, keys = measured.panels
    assert len(words.curves) == 6
    assert keys.curves[0].runs[0] == pytest.approx([40, 80, 98, 100])


def test_words_grow_and_are_as_uneven_as_their_turn_says():
    task = GradualWords("Z3", Words(2, {2: 2, 5: 1}), seed=3)
    batches = [task.batch(step, 4) for step in (0, 1, 2, 7)]
    assert [batch.inputs.shape[1] for batch in batches] == [2, 2, 5, 5]
    assert all(batch.targets.equal(task.answers(batch.inputs)) for batch in batches)
    assert task.batch(1, 4).inputs.equal(batches[1].inputs)


def test_elements_are_few_at_first_and_equally_frequent_at_last():
    words = Words(2, {50: 100}, skew=2)
    task, other = (GradualWords("Z5", words, seed) for seed in (3, 4))
    first, last = (task.batch(step, 200).inputs.flatten().bincount() for step in (0, 85))
    shares = torch.tensor([1, 1 / 4, 1 / 9, 1 / 16, 1 / 25])
    expected = 10_000 * shares / shares.sum()
    torch.testing.assert_close(first[task.ranked].float(), expected, atol=120, rtol=0)
    torch.testing.assert_close(last.float(), torch.full((5,), 2000.0), atol=200, rtol=0)
    assert not task.ranked.equal(other.ranked)


def test_keys_are_those_of_all_elements():
    net = build(WordProblemTask("S3"), Shape(2), Training(16, 2, updates=1))
    found = deltaproduct_groups._keys(net)
    assert found.shares.shape == (2, 8)
    torch.testing.assert_close(found.shares[:, -1], torch.ones(2))


@pytest.mark.slow
def test_two_updates_learn_three_things_in_order():
    words = {"S3": Words(2, {4: 150, 16: 250})}
    size = Size(words, Training(64, 4, updates=400, batch=128))
    enough = deltaproduct_groups._net(size, "S3", Shape(2), 0, silent)
    one = deltaproduct_groups._net(size, "S3", Shape(1), 0, silent)
    task = WordProblemTask("S3", 16, 16)
    assert evaluate(enough, task) > 0.95
    assert evaluate(one, task) < 0.7


@pytest.mark.slow
def test_two_updates_learn_the_icosahedron():
    words = Words(2, {12: 1500}, skew=2)
    size = Size({"A5": words}, Training(64, 8, updates=1500, batch=170))
    net = deltaproduct_groups._net(size, "A5", Shape(2), 0, silent)
    same, longer = deltaproduct_groups._accuracies(net, "A5", 0, [12, 48])
    assert same > 99
    assert longer > 95
