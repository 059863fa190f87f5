from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.core.errors import ArgumentError
from ostinato.train.rtrl.learner import RTRL
from ostinato.train.rtrl.replay import Replay

from .test_learner import F64, shaken


def segments():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 2, 2, 3, dtype=F64, generator=generator)


def last_gradient(learner, rnn, change):
    carried = None
    for i, x in enumerate(segments()):
        y, carried = learner(x, carried)
        if i == 3:
            change(rnn)
    return torch.autograd.grad(y.square().sum(), list(rnn.parameters()))


def nothing(rnn):
    pass


@torch.no_grad()
def other_weights(rnn):
    for parameter in rnn.parameters():
        parameter.add_(0.3)


def test_with_weights_held_nothing_changes():
    rnn = ost.RNN(shaken("ParaGRU", 3, 4))
    found = last_gradient(Replay(RTRL(rnn), 2), rnn, nothing)
    torch.testing.assert_close(found, last_gradient(RTRL(rnn), rnn, nothing))


def test_old_weights_leave_no_trace_in_what_is_run_again():
    rnn = ost.RNN(shaken("ParaGRU", 3, 4))
    found = last_gradient(Replay(RTRL(rnn), 5), rnn, other_weights)
    expected = last_gradient(RTRL(rnn), rnn, nothing)
    torch.testing.assert_close(found, expected)  # since the new weights are the only ones
    rnn = ost.RNN(shaken("ParaGRU", 3, 4))
    stale = last_gradient(RTRL(rnn), rnn, other_weights)
    assert not torch.allclose(stale[0], expected[0])
    rnn = ost.RNN(shaken("ParaGRU", 3, 4))
    partly = last_gradient(Replay(RTRL(rnn), 2), rnn, other_weights)
    assert (partly[0] - expected[0]).norm() < (stale[0] - expected[0]).norm()


def test_at_least_one_segment():
    with pytest.raises(ArgumentError, match="got 0"):
        Replay(RTRL(ost.RNN(shaken("ParaGRU", 3, 4))), 0)
