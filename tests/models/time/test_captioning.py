from __future__ import annotations

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.cells.lstm import LSTMCell
from ostinato.core.errors import ArgumentError
from ostinato.models.time.captioning import INJECTIONS, ConditionedDecoder


def decoder(inject):
    layer = ost.RNN(LSTMCell(4, 6), "reference")
    return ConditionedDecoder(5, nn.Embedding(9, 4), layer, 9, inject)


@pytest.mark.parametrize("inject", INJECTIONS)
def test_steps_are_those_of_the_whole_caption(inject):
    model, vectors, given = decoder(inject), torch.randn(3, 5), torch.randint(9, (3, 4))
    logits = model(vectors, given)
    assert logits.shape == (3, 4, 9)
    state = model.start(vectors)
    for t in range(4):
        step, state = model.step(given[:, t], state)
        torch.testing.assert_close(step, logits[:, t])


@pytest.mark.parametrize("inject", INJECTIONS)
def test_the_vector_matters_from_the_first_word_on_and_every_part_is_trained(inject):
    model, given = decoder(inject), torch.randint(9, (1, 4)).expand(3, -1)
    logits = model(torch.randn(3, 5), given)
    assert bool((logits[0] != logits[1]).any(-1).all())
    logits.square().sum().backward()
    assert all(bool(p.grad.any()) for p in model.parameters())


def test_the_first_input_is_a_step_before_the_first_word():
    model, vectors, given = decoder("first_input"), torch.randn(3, 5), torch.randint(9, (3, 4))
    x = torch.cat([model.bring[0](vectors)[:, None], model.embedding(given)], 1)
    expected = model.head(model.layer(x)[0][:, 1:])
    torch.testing.assert_close(model(vectors, given), expected)


def test_every_leaf_of_the_first_state_has_a_map_of_its_own():
    model, vectors = decoder("init_state"), torch.randn(3, 5)
    h, c = model.start(vectors).state
    torch.testing.assert_close(h, torch.tanh(model.bring[0](vectors)))
    torch.testing.assert_close(c, torch.tanh(model.bring[1](vectors)))


def test_padding_changes_nothing():
    model, vectors, given = decoder("every_step"), torch.randn(2, 5), torch.randint(9, (2, 4))
    logits = model(vectors, given, torch.tensor([4, 2]))
    torch.testing.assert_close(logits[1:, :2], model(vectors[1:], given[1:, :2]))


def test_unknown_injections_are_told():
    with pytest.raises(ArgumentError, match=r"'first_inputs'\. Did you mean 'first_input'"):
        decoder("first_inputs")
