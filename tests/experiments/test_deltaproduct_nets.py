"""The nets of the experiment on DeltaProduct."""

from __future__ import annotations

import torch

from ostinato.experiments.deltaproduct_nets import Shape, Training, build
from ostinato.tasks.modular_arithmetic import ModularArithmeticTask
from ostinato.tasks.word_problem import WordProblemTask


def test_a_net_of_its_transition_and_nothing_else_that_remembers():
    net = build(WordProblemTask("S3"), Shape(3, negative=False), Training(16, 2, updates=1))
    config = net.config
    assert (config.num_householder, config.allow_neg_eigval) == (3, False)
    assert (config.use_short_conv, config.use_forget_gate, config.use_output_gate) == (False,) * 3
    assert net(torch.randint(6, (2, 5)))[0].shape == (2, 5, 6)
    whole = build(ModularArithmeticTask(), Shape(1), Training(16, 2, updates=1))
    assert whole(torch.randint(11, (2, 5)))[0].shape == (2, 5)


def test_shapes_in_words():
    assert str(Shape(2)) == "n = 2, eigenvalues in [-1, 1]"
    assert str(Shape(1, negative=False)) == "n = 1, eigenvalues in [0, 1]"
