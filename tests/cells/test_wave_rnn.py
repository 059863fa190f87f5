from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ostinato.cells.wave_rnn import WaveRNNCell
from ostinato.core.errors import ArgumentError
from ostinato.over.time import RNN


def test_an_impulse_travels_round_the_ring_undiminished():
    cell = WaveRNNCell(1, 10, channels=2)
    torch.nn.init.zeros_(cell.input.bias)
    x = torch.zeros(1, 12, 1)
    x[0, 0] = 3
    y = RNN(cell)(x)[0].view(12, 2, 5)
    for k in range(12):
        expected = torch.zeros(2, 5)
        expected[:, -k % 5] = 3
        assert torch.equal(y[k], expected)


@pytest.mark.parametrize("taps", [3, 5])
def test_the_matrix_is_a_circular_cross_correlation(taps):
    cell = WaveRNNCell(1, 21, channels=3, taps=taps)
    torch.nn.init.normal_(cell.kernel)
    h = torch.randn(4, 3, 7)
    side = taps // 2
    expected = F.conv1d(F.pad(h, (side, side), mode="circular"), cell.kernel)
    torch.testing.assert_close(h.flatten(1) @ cell.matrix.T, expected.flatten(1))


def test_only_the_kernel_learns_of_the_recurrent_connections():
    cell = WaveRNNCell(2, 12, channels=2)
    assert {n: tuple(p.shape) for n, p in cell.named_parameters()} == {
        "kernel": (2, 2, 3),
        "input.weight": (12, 2),
        "input.bias": (12,),
    }
    RNN(cell)(torch.randn(3, 9, 2))[0].sum().backward()
    assert cell.kernel.grad is not None
    assert cell.kernel.grad.ne(0).any()


def test_a_ring_that_does_not_close_is_refused():
    with pytest.raises(ArgumentError, match="got 4, 10 and 3"):
        WaveRNNCell(1, 10, channels=4)
    with pytest.raises(ArgumentError, match="got 1, 10 and 4"):
        WaveRNNCell(1, 10, taps=4)
