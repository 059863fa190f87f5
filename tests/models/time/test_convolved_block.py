"""What every block with a convolution and a recurrence does with state, padding and resets."""

from __future__ import annotations

import torch

from ostinato.cells import make_cell
from ostinato.models.time.causal_convolution import CausalConvolution
from ostinato.models.time.convolved_block import ConvolvedBlock
from ostinato.over.time import RNN


class Plain(ConvolvedBlock):
    """Nothing but the two layers, and the inputs of both beside them."""

    def __init__(self):
        super().__init__()
        self.convolution = CausalConvolution(4, 3)
        self.recurrence = RNN(make_cell("Elman", 4, 4))

    def mix(self, x, convolve, recur):
        u, *pasts = convolve(x)
        h, *memories = recur(u)
        return (x + h, *zip(pasts, memories, strict=True))


def block():
    torch.manual_seed(0)
    return Plain().double(), torch.randn(2, 6, 4, dtype=torch.float64)


def test_a_stream_goes_through_both_layers():
    layer, x = block()
    whole, last = layer(x)
    _, state = layer(x[:, :2])
    for t in range(2, 6):
        y, state = layer.step(x[:, t], state)
        torch.testing.assert_close(y, whole[:, t])
    torch.testing.assert_close(state, last)
    torch.testing.assert_close(layer.step(x[:, 0])[0], whole[:, 0])


def test_states_of_both_layers_at_every_step():
    layer, x = block()
    past, memory = layer(x, return_states=True)[2]
    for t in (0, 3):
        _, (at, remembered) = layer(x[:, : t + 1])
        torch.testing.assert_close((past[:, t], memory[:, t]), (at, remembered))


def test_nan_in_padding_reaches_neither_output_nor_gradient():
    layer, x = block()
    expected, end = layer(x[1:, :3])
    x[1, 3:] = torch.nan
    y, state = layer(x, lengths=[6, 3])
    torch.testing.assert_close(y[1:, :3], expected)
    torch.testing.assert_close(tuple(leaf[1:] for leaf in state), end)
    assert not y[1, 3:].any()
    y.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in layer.parameters())


def test_nothing_passes_a_reset():
    layer, x = block()
    resets = torch.zeros(2, 6, dtype=torch.bool)
    resets[:, 4] = True
    torch.testing.assert_close(layer(x, resets=resets)[0][:, 4:], layer(x[:, 4:])[0])
