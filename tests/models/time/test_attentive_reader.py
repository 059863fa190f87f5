"""The attentive reader."""

import pytest
import torch

from ostinato.cells.layer_norm_lstm import LayerNormLSTMCell
from ostinato.cells.lstm import LSTMCell
from ostinato.models.time.attentive_reader import AttentiveReader

WORDS = torch.tensor([[3, 4, 1, 5, 6, 7, 1, 8, 2], [5, 1, 3, 7, 2, 0, 0, 0, 0]])
LENGTHS = torch.tensor([9, 5])


@pytest.fixture
def net():
    torch.manual_seed(0)
    return AttentiveReader(9, 4, (1, 2), LSTMCell, 5, "reference").double()


def test_it_is_what_the_equations_say(net):
    told, asked = net.encoder(WORDS[:1, :7]), net.encoder(WORDS[:1, 7:])
    y = torch.cat(net.text(told)[0], -1)[0]
    along, against = net.question(asked)[0]
    u = torch.cat([along[0, -1], against[0, 0]])
    m = torch.tanh(net.attend_text(y) + net.attend_question(u))
    share = net.score(m).softmax(0)
    r = (share * y).sum(0)
    answer = net.answer(torch.tanh(net.join_text(r) + net.join_question(u)))
    torch.testing.assert_close(net(WORDS, LENGTHS)[0], answer)


def test_rows_and_padding_do_not_mix(net):
    alone = net(WORDS[1:, :5], LENGTHS[1:])
    torch.testing.assert_close(net(WORDS, LENGTHS)[1:], alone)


@pytest.mark.parametrize("cell", [LSTMCell, LayerNormLSTMCell])
def test_every_parameter_has_a_gradient(cell):
    torch.manual_seed(0)
    net = AttentiveReader(9, 4, (1, 2), cell, 5, "reference")
    net(WORDS, LENGTHS).square().sum().backward()
    missing = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert missing == []
