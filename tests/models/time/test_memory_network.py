"""The end-to-end memory network."""

import pytest
import torch

import ostinato as ost
from ostinato.models.time.memory_network import MemoryHop, MemoryNetwork
from ostinato.over.contract import check_cell

STOP, MARK = 1, 2


@pytest.fixture
def net():
    torch.manual_seed(0)
    return MemoryNetwork(9, 4, (STOP, MARK), width=6, hops=3, memories=4).double()


WORDS = torch.tensor([[3, 4, 1, 5, 6, 7, 1, 8, 2], [5, 1, 3, 7, 2, 0, 0, 0, 0]])
LENGTHS = torch.tensor([9, 5])


def written_out(net, texts):
    """The paper's equations, sentence by sentence."""
    width, hops = net.tables.shape[-1], len(net.tables) - 1

    def encode(k, words):
        total = torch.zeros(width, dtype=torch.float64)
        for j, word in enumerate(words, 1):
            part = torch.arange(1, width + 1) / width
            total = (
                total
                + ((1 - j / len(words)) - part * (1 - 2 * j / len(words))) * net.tables[k, word]
            )
        return total

    answers = []
    for *facts, question in texts:
        u = encode(0, question)
        for k in range(hops):
            newest = list(reversed(facts))
            keys = torch.stack([encode(k, f) + net.times[k, i] for i, f in enumerate(newest)])
            values = [encode(k + 1, f) + net.times[k + 1, i] for i, f in enumerate(newest)]
            score = keys @ u
            share = score if net.hop.linear else score.softmax(0)
            u = u + share @ torch.stack(values)
        answers.append(net.answer(u))
    return torch.stack(answers)


@pytest.mark.parametrize("linear", [False, True])
def test_it_is_what_the_equations_say(net, linear):
    net.linear(linear)
    texts = [[[3, 4, 1], [5, 6, 7, 1], [8, 2]], [[5, 1], [3, 7, 2]]]
    torch.testing.assert_close(net(WORDS, LENGTHS), written_out(net, texts), rtol=0, atol=1e-7)


def test_only_the_newest_sentences_are_seen(net):
    long = torch.tensor([[3, 1, 4, 1, 5, 1, 6, 1, 7, 1, 8, 2]])
    torch.testing.assert_close(net(long), net(long[:, 2:]))
    assert not torch.allclose(net(long[:, 2:]), net(long[:, 4:]))


def test_padding_reaches_nothing(net):
    wider = torch.nn.functional.pad(WORDS, (0, 3), value=4)
    torch.testing.assert_close(net(wider, LENGTHS), net(WORDS, LENGTHS))


def test_every_parameter_has_a_gradient(net):
    net(WORDS, LENGTHS).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_the_hop_keeps_the_contract():
    there = torch.ones(3, 7, 4)
    there[0, :, 3:] = 0
    x = (torch.randn(3, 7, 4, 2) / 3, torch.randn(3, 7, 4, 2) / 3, there)
    check_cell(MemoryHop(2), x, engines_to_check=["fused"], dtypes=[torch.float64])


def test_code_is_generated_for_a_hop(net):
    assert "chosen → fused" in str(ost.explain(net, WORDS, lengths=LENGTHS))
