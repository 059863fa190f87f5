"""Modular arithmetic, in the experiment on DeltaProduct."""

from __future__ import annotations

import pytest
import torch

from ostinato.experiments.deltaproduct_arithmetic import Size, _accuracy
from ostinato.experiments.deltaproduct_nets import Shape, Training, build
from ostinato.tasks.modular_arithmetic import ModularArithmeticTask


def test_accuracy_is_that_of_other_expressions_as_long_as_in_training():
    task, training = ModularArithmeticTask(2, longest=5), Training(8, 2, updates=1)
    net = build(task, Shape(2), training)
    found = _accuracy(net, task, Size(training, expressions=40))
    batch = task.batch(10**9, 40)
    assert batch.lengths.max() == 6
    with torch.no_grad():
        answers = net(batch.inputs, lengths=batch.lengths)[0].argmax(-1)
    assert found == pytest.approx(100 * float((answers == batch.targets).float().mean()))
