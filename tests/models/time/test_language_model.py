"""The frame of language models."""

from __future__ import annotations

import torch

from ostinato.cells import make_cell
from ostinato.models.time.language_model import LanguageModel
from ostinato.over.time import RNN


def model(tied):
    torch.manual_seed(0)
    return LanguageModel(7, 4, (RNN(make_cell("GRU", 4, 4)) for _ in range(2)), tied)


def test_symbols_become_logits_of_all_symbols():
    net = model(False)
    symbols = torch.randint(7, (2, 5))
    logits, state = net(symbols)
    assert logits.shape == (2, 5, 7)
    assert len(state) == 2
    torch.testing.assert_close(net.step(symbols[:, 0])[0], logits[:, 0])


def test_tied_embeddings_are_one_matrix_and_give_logits_of_unit_size():
    tied, untied = model(True), model(False)
    assert tied.head[1].weight is tied.encoder.weight
    size = [sum(p.numel() for p in net.parameters()) for net in (untied, tied)]
    assert size[0] - size[1] == 7 * 4
    assert 0.1 < float(tied(torch.randint(7, (3, 9)))[0].std().detach()) < 3


def test_the_norm_before_the_head_may_be_another():
    norm = torch.nn.RMSNorm(4)
    net = LanguageModel(7, 4, [RNN(make_cell("GRU", 4, 4))], False, norm)
    assert net.head[0] is norm
