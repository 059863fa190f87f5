"""The model answers the same whole or in steps, and reads out at the right place."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ostinato.cells import make_cell
from ostinato.models.sequence_model import OneHot, SequenceModel
from ostinato.over.time import RNN, Stack


def model(**options: object) -> SequenceModel:
    torch.manual_seed(0)
    layer = Stack([RNN(make_cell("LSTM", 5, 8)), RNN(make_cell("GRU", 8, 6))])
    return SequenceModel(OneHot(5), layer, nn.Linear(6, 5), **options)


def symbols(rows: int = 3, steps: int = 7) -> torch.Tensor:
    return torch.randint(5, (rows, steps), generator=torch.Generator().manual_seed(1))


def test_steps_equal_the_whole() -> None:
    net, x = model(), symbols()
    whole, last = net(x)
    assert whole.shape == (3, 7, 5)
    state, parts = None, []
    for t in range(7):
        answer, state = net.step(x[:, t], state)
        parts.append(answer)
    torch.testing.assert_close(torch.stack(parts, 1), whole)
    torch.testing.assert_close(state, last)


def test_the_state_continues_a_sequence() -> None:
    net, x = model(), symbols()
    first, state = net(x[:, :3])
    second, _ = net(x[:, 3:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), net(x)[0])


def test_a_whole_sequence_is_read_out_at_its_last_valid_step() -> None:
    net, x = model(per_step=False), symbols()
    answers, _ = net(x, lengths=torch.tensor([7, 2, 4]))
    assert answers.shape == (3, 5)
    for row, length in enumerate((7, 2, 4)):
        torch.testing.assert_close(answers[row], net(x[row : row + 1, :length])[0][0])
    torch.testing.assert_close(net(x)[0][0], answers[0])


def test_statistics_are_those_of_all_layers() -> None:
    net, x = model(per_step=False), symbols()
    for layer in net.layer.layers:
        layer.engine = "parallel"
    answers, state, told = net(x, return_stats=True)
    assert len(told.solves) == 2
    assert told.iterations > 1
    torch.testing.assert_close((answers, state), net(x))


def test_resets_begin_a_new_sequence() -> None:
    net, x = model(), symbols(1, 6)
    resets = torch.tensor([[False, False, True, False, False, False]])
    torch.testing.assert_close(net(x, resets=resets)[0][:, 2:], net(x[:, 2:])[0])


def test_dropout_is_drawn_in_training_only_and_from_the_generator() -> None:
    net, x = model(dropout=0.5), symbols()
    a, b, c = (net(x, generator=torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    net.eval()
    torch.testing.assert_close(net(x)[0], model()(x)[0])


def test_dropout_keeps_the_mean() -> None:
    net = SequenceModel(nn.Identity(), RNN(make_cell("Elman", 4, 4)), nn.Identity(), dropout=0.25)
    dropped = net._drop(torch.ones(200, 500), torch.Generator().manual_seed(0))
    assert float(dropped.mean()) == pytest.approx(1, abs=0.02)
    assert float((dropped == 0).float().mean()) == pytest.approx(0.25, abs=0.02)


def test_one_hot_is_an_embedding_by_the_unit_matrix() -> None:
    assert torch.equal(OneHot(4)(torch.tensor([[2, 0]]))[0], torch.eye(4)[[2, 0]])
