"""Modular arithmetic, in the experiment on DeltaProduct."""

from __future__ import annotations

import pytest
import torch

from ostinato.experiments import deltaproduct_arithmetic
from ostinato.experiments.deltaproduct_arithmetic import (
    AHEAD,
    BEST,
    FEWER,
    POSITIVE,
    REACHES,
    Size,
    _accuracies,
    _task,
    measure,
)
from ostinato.experiments.deltaproduct_nets import Shape, Training, build
from ostinato.experiments.experiment import silent


@pytest.mark.parametrize("kind", deltaproduct_arithmetic.BRACKETS)
def test_accuracy_is_that_of_other_expressions(kind):
    training = Training(8, 2, updates=1)
    size = Size(training, modulus=2, longest=5, held_out_longest=21, expressions=40)
    task = _task(size, kind, seed=1)
    net = build(task, Shape(2), training)
    same = task.batch(10**9, 40)
    (longer,) = task.held_out("valid", 40)
    assert same.lengths.max() == 6
    assert longer.lengths.min() > 6
    with torch.no_grad():
        answers = [net(each.inputs, lengths=each.lengths)[0].argmax(-1) for each in (same, longer)]
    expected = [
        100 * float((found == each.targets).float().mean())
        for found, each in zip(answers, (same, longer), strict=True)
    ]
    assert _accuracies(net, task, size) == pytest.approx(expected)


def test_the_best_transition_is_compared_with_the_others_where_they_are_asked(monkeypatch):
    scores = {BEST: [90.0, 50.0], FEWER: [80.0, 45.0], POSITIVE: [70.0, 55.0], Shape(3): [0, 0]}

    def accuracies(net, task, size):
        same, longer = scores[net]
        return [same - 10 * task.brackets, longer + task.seed * (net == BEST)]

    monkeypatch.setattr(
        deltaproduct_arithmetic, "trained", lambda task, shape, *_: (shape, [1.0, 0.5])
    )
    monkeypatch.setattr(deltaproduct_arithmetic, "_accuracies", accuracies)
    found = measure(Size(Training(8, 2, updates=2), updates=(1, 2, 3)), 2, silent)
    for kind in deltaproduct_arithmetic.BRACKETS:
        assert found.values[AHEAD[kind, REACHES[0], FEWER]] == [10, 10]
        assert found.values[AHEAD[kind, REACHES[0], POSITIVE]] == [20, 20]
        assert found.values[AHEAD[kind, REACHES[1], FEWER]] == [5, 6]
        assert found.values[AHEAD[kind, REACHES[1], POSITIVE]] == [-5, -4]
    assert [len(panel.curves) for panel in found.panels] == [4, 4, 4, 4]
    best = found.panels[3].curves[1]
    assert (best.label, best.runs) == (str(BEST), [[80, 50], [80, 51]])
