"""The nets of the experiment on DeltaProduct."""

from __future__ import annotations

import torch

from ostinato.experiments.deltaproduct_nets import Shape, Training, build, read_by_cell
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


def test_what_the_cell_reads():
    net = build(WordProblemTask("S3"), Shape(2), Training(16, 2, updates=1))
    symbols = torch.randint(6, (2, 5))
    x = read_by_cell(net, symbols)
    state = net.layer.layers[0].layer.recurrence(x)[1]
    torch.testing.assert_close(net(symbols)[1][0][1], state)


def test_shapes_in_words():
    assert str(Shape(2)) == "n = 2, eigenvalues in [-1, 1]"
    assert str(Shape(1, negative=False)) == "n = 1, eigenvalues in [0, 1]"
