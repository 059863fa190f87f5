from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.errors import ShapeError
from ostinato.engines.parallel.guesses import Guesses


def test_a_sample_begins_from_what_it_was_solved_to():
    guesses, init = Guesses(), torch.tensor([[1.0], [2.0]])
    assert torch.equal(guesses.of([3, 8], init, 4), init.expand(4, 2, 1))
    states = torch.randn(4, 2, 1, requires_grad=True)
    guesses.keep(torch.tensor([3, 8]), states)
    found = guesses.of([8, 3], init, 4)
    assert torch.equal(found, states.flip(1))
    assert not found.requires_grad
    mixed = guesses.of([5, 8], init, 4)
    assert torch.equal(mixed[:, 0], init[0].expand(4, 1))
    assert torch.equal(mixed[:, 1], states[:, 1])
    guesses.keep([8], torch.zeros(4, 1, 1))
    assert not guesses.of([8], init[:1], 4).any()
    assert len(guesses) == 2


def test_other_lengths():
    guesses, states = Guesses(), torch.arange(3.0)[:, None, None]
    guesses.keep([0], states)
    init = torch.ones(1, 1)
    assert guesses.of([0], init, 2).flatten().tolist() == [0, 1]
    assert guesses.of([0], init, 5).flatten().tolist() == [0, 1, 2, 2, 2]


def test_trees_are_guesses_of_a_layer():
    rnn, x = ost.RNN(make_cell("LSTM", 3, 4).double(), "parallel"), torch.randn(2, 9, 3).double()
    guesses, samples = Guesses(), [7, 2]
    with torch.no_grad(), ost.newton() as solves:
        states = rnn(x, return_states=True)[2]
        guesses.keep(samples, [leaf.transpose(0, 1) for leaf in states])
        with ost.newton(guess=guesses.of(samples, list(rnn.initial_state(2)), 9)) as again:
            rnn(x)
    assert again[0].iterations < solves[0].iterations


def test_rows_are_checked():
    guesses = Guesses()
    with pytest.raises(ShapeError, match=r"3 samples need leaves \(B, ...\) with B = 3; got \[\[2"):
        guesses.of([1, 2, 3], torch.zeros(2, 1), 5)
    with pytest.raises(ShapeError, match=r"2 samples need leaves \(T, B, ...\)"):
        guesses.keep([1, 2], torch.zeros(2, 3, 1))
