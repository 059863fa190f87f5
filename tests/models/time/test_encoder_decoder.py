from __future__ import annotations

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.cells.lstm import LSTMCell
from ostinato.core.errors import ArgumentError
from ostinato.core.state import zeros
from ostinato.models.time.beam_search import beam_search
from ostinato.models.time.encoder_decoder import EncoderDecoder, teacher_forced
from ostinato.wrap.attend import Attend


def stack(reverse=False):
    cells = LSTMCell(4, 6), LSTMCell(6, 6)
    return ost.Stack(ost.RNN(cell, "reference", reverse=reverse) for cell in cells)


def model_of(kind):
    if kind == "stack":
        parts, size = (stack(reverse=True), stack()), 6
    else:
        decoder = ost.RNN(Attend(LSTMCell(4 + 6, 6), 6, 5), "reference")
        parts, size = (ost.RNN(LSTMCell(4, 6), "reference"), decoder), 12
    encoder, decoder = parts
    return EncoderDecoder(
        nn.Embedding(9, 4), encoder, nn.Embedding(9, 4), decoder, nn.Linear(size, 9)
    )


@pytest.mark.parametrize("kind", ["stack", "attention"])
def test_steps_are_those_of_the_whole_target(kind):
    model, source = model_of(kind), torch.randint(9, (3, 5))
    given = torch.randint(9, (3, 4))
    logits = model(source, given)
    assert logits.shape == (3, 4, 9)
    state = model.encode(source)
    for t in range(4):
        step, state = model.step(given[:, t], state)
        torch.testing.assert_close(step, logits[:, t])


@pytest.mark.parametrize("kind", ["stack", "attention"])
def test_padding_of_the_source_changes_nothing(kind):
    model, source = model_of(kind), torch.randint(9, (3, 5))
    given, lengths = torch.randint(9, (3, 4)), torch.tensor([5, 2, 3])
    logits = model(source, given, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = model(source[row : row + 1, :length], given[row : row + 1])
        torch.testing.assert_close(logits[row : row + 1], alone)


def test_the_states_of_all_layers_go_over():
    model, source = model_of("stack"), torch.randint(9, (2, 5))
    _, expected = model.encoder(model.read(source))
    found = model.encode(source).state
    assert [len(layer) for layer in found] == [2, 2]
    torch.testing.assert_close(found, expected)


def test_a_source_read_backwards_is_a_reversed_source():
    torch.manual_seed(1)
    backwards = model_of("stack")
    torch.manual_seed(1)
    forwards = EncoderDecoder(
        *(nn.Embedding(9, 4), stack(), nn.Embedding(9, 4), stack(), nn.Linear(6, 9))
    )
    forwards.load_state_dict(backwards.state_dict())
    source, given = torch.randint(9, (2, 5)), torch.randint(9, (2, 3))
    torch.testing.assert_close(backwards(source, given), forwards(source.flip(1), given))


def test_a_bridge_stands_between():
    model, source = model_of("stack"), torch.randint(9, (2, 5))
    model.bridge = zeros
    given = torch.randint(9, (2, 3))
    zero = model.decoder(model.write(given))[0]
    torch.testing.assert_close(model(source, given), model.head(zero))


@pytest.mark.parametrize("kind", ["stack", "attention"])
def test_it_is_searched(kind):
    model, source = model_of(kind), torch.randint(9, (2, 5))
    found = beam_search(model.step, model.encode(source), begin=0, end=1, limit=4, width=3)
    for row in range(2):
        length = min(int(found.lengths[row, 0]) + 1, 4)
        target = found.symbols[row : row + 1, 0, :length]
        logs = model(source[row : row + 1], teacher_forced(target, 0)).log_softmax(-1)
        total = logs.gather(-1, target[..., None]).sum()
        torch.testing.assert_close(total, found.scores[row, 0])


def test_teacher_forcing_is_one_step_late():
    target = torch.tensor([[4, 5, 1]])
    assert teacher_forced(target, 0).tolist() == [[0, 4, 5]]
    with pytest.raises(ArgumentError, match=r"got \(3,\)"):
        teacher_forced(target[0], 0)
