from __future__ import annotations

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

from ostinato.core.errors import ShapeError
from ostinato.core.sequence import (
    join_tokens,
    repack,
    restart_steps,
    split_tokens,
    unpack,
    valid_steps,
    zero_padding,
)


def test_valid_steps():
    assert valid_steps([2, 0, 3], 3, 3).T.tolist() == [
        [True, True, False],
        [False, False, False],
        [True, True, True],
    ]


def test_restarts_move_to_the_end_of_the_sequence_before_when_time_runs_backwards():
    resets = torch.tensor([[True, False, True, False]])
    assert restart_steps(resets, 1, 4, False).T.tolist() == resets.tolist()
    assert restart_steps(resets, 1, 4, True).T.tolist() == [[False, True, False, False]]
    assert restart_steps(resets[:, :0], 1, 0, True).shape == (0, 1)


def test_zero_padding_stops_nan():
    x = torch.full((2, 1, 3), float("nan"), requires_grad=True)
    valid = torch.tensor([[False], [False]])
    y = zero_padding(x, valid)
    (gradient,) = torch.autograd.grad((y * 2).sum(), x)
    assert y.sum() == 0
    assert gradient.sum() == 0


@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_repack_restores_the_layout(enforce_sorted):
    lengths = [4, 3, 3, 1] if enforce_sorted else [3, 4, 1, 3]
    packed = pack_padded_sequence(
        torch.randn(4, 4, 2), torch.tensor(lengths), True, enforce_sorted=enforce_sorted
    )
    padded, found = unpack(packed)
    again = repack(padded, packed)
    assert found.tolist() == lengths
    assert torch.equal(again.data, packed.data)
    assert torch.equal(again.batch_sizes, packed.batch_sizes)


def test_tokens_are_split_and_joined():
    tokens = torch.arange(7.0).view(1, 7, 1)
    padded, lengths, position = split_tokens(tokens, torch.tensor([0, 3, 3, 7]))
    assert lengths.tolist() == [3, 0, 4]
    assert padded[2, :, 0].tolist() == [3, 4, 5, 6]
    assert padded[0, :, 0].tolist() == [0, 1, 2, 0]
    assert torch.equal(join_tokens(padded, position), tokens)


@pytest.mark.parametrize("borders", [[0, 3], [1, 7], [0, 5, 3, 7], [7], [0, 8]])
def test_borders_must_rise_to_the_number_of_tokens(borders):
    with pytest.raises(ShapeError, match="rise from 0 to total"):
        split_tokens(torch.zeros(1, 7, 1), torch.tensor(borders))
