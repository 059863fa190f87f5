"""DRAW."""

from functools import partial

import pytest
import torch

from ostinato.cells.layer_norm_lstm import LayerNormLSTMCell
from ostinato.cells.lstm import LSTMCell
from ostinato.models.time.draw import Draw, DrawCell, Window
from ostinato.over.contract import check_cell


def small(cell=LSTMCell):
    torch.manual_seed(0)
    return DrawCell(cell, side=6, hidden=5, code=3, read=2, write=3)


def test_a_window_lies_where_it_is_put():
    window = Window(4, side=9, points=3)
    with torch.no_grad():
        window.place.weight.zero_()
        # centre of the image, narrow, the stride that spans it
        window.place.bias.copy_(torch.tensor([0.0, 0.0, -4.0, 0.0, 0.5]))
    rows, columns, gain = window(torch.randn(2, 4))
    assert rows.argmax(-1).tolist() == columns.argmax(-1).tolist() == [[0, 4, 8]] * 2
    torch.testing.assert_close(rows.sum(-1), torch.ones(2, 3))
    torch.testing.assert_close(gain.flatten(), torch.full((2,), 0.5).exp())


def test_a_window_beside_the_image_is_finite():
    window = Window(4, side=9, points=3)
    with torch.no_grad():
        window.place.bias[:2] = 50.0
        window.place.bias[2] = -8.0
    rows, columns, _ = window(torch.zeros(1, 4))
    assert rows.isfinite().all()
    assert columns.isfinite().all()


def test_the_bound_is_cross_entropy_and_divergence():
    cell = small().double()
    net = Draw(cell, 3, "reference")
    images = torch.rand(2, 36).round().double()
    noise = cell.sample_noise(2, 3, torch.Generator().manual_seed(7))
    state, cost = cell.initial_state(2), torch.zeros(2, dtype=torch.float64)
    for step in range(3):
        h_dec, canvas = state[1], state[0]
        seen = cell._read(torch.stack([images, images - canvas.sigmoid()], 1), h_dec)
        h_enc, _ = cell.encoder(torch.cat([seen, h_dec], -1), state[2])
        mean, log_std = cell.encode(h_enc).chunk(2, -1)
        code = torch.distributions.Normal(mean, log_std.exp())
        prior = torch.distributions.Normal(torch.zeros_like(mean), 1.0)
        cost = cost + torch.distributions.kl_divergence(code, prior).sum(-1)
        state = cell(images, state, noise[step])[1]
    picture = torch.distributions.Bernoulli(logits=state[0])
    expected = cost - picture.log_prob(images).sum(-1)
    bound = net(images, torch.Generator().manual_seed(7))
    torch.testing.assert_close(bound, expected)


@pytest.mark.parametrize("cell", [LSTMCell, partial(LayerNormLSTMCell, form="cell")])
def test_every_parameter_has_a_gradient(cell):
    net = Draw(small(cell), 2, "reference")
    net(torch.rand(2, 36).round()).sum().backward()
    missing = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert missing == []


@pytest.mark.slow
def test_the_cell_keeps_the_contract():
    check_cell(small(), torch.rand(3, 7, 36), dtypes=[torch.float64])
