from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells.slstm import SLSTMCell

F64 = torch.float64


def drawn(hidden=6, scale=1.0, **options):
    torch.manual_seed(0)
    cell = SLSTMCell(3, hidden, dtype=F64, **options)
    for parameter in cell.parameters():
        torch.nn.init.normal_(parameter, std=0.5 * scale)
    return cell


def unstabilised(cell, x):
    """C = σ(f̂) C + e^î z and N = σ(f̂) N + e^î, without m."""
    size = cell.hidden_size // cell.heads
    R = cell.recur.weight.view(cell.heads, 4, size, size)
    h = c = n = torch.zeros(len(x), cell.heads, size, dtype=x.dtype)
    outputs = []
    for x_t in x.unbind(1):
        gates = cell.input(x_t).view(len(x), 4, cell.heads, size)
        i, f, z, o = (gates + torch.einsum("kgij,bkj->bgki", R, h)).unbind(1)
        c = torch.sigmoid(f) * c + torch.exp(i) * torch.tanh(z)
        n = torch.sigmoid(f) * n + torch.exp(i)
        h = torch.sigmoid(o) * c / n
        outputs.append(h.flatten(1))
    return torch.stack(outputs, 1)


@pytest.mark.parametrize("heads", [1, 2, 6])
def test_the_stabiliser_changes_neither_outputs_nor_gradients(heads):
    cell, x = drawn(heads=heads), torch.randn(4, 7, 3, dtype=F64)
    found, expected = ost.RNN(cell, "reference")(x)[0], unstabilised(cell, x)
    torch.testing.assert_close(found, expected, atol=1e-13, rtol=0)
    weight = torch.randn_like(found)
    grads = [torch.autograd.grad((y * weight).sum(), cell.parameters()) for y in (found, expected)]
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-12)


def test_heads_are_layers_of_their_own():
    cell, x = drawn(heads=2), torch.randn(4, 5, 3, dtype=F64)
    y = ost.RNN(cell, "reference")(x)[0]
    for head in range(2):
        alone = SLSTMCell(3, 3, dtype=F64)
        with torch.no_grad():
            alone.recur.weight.copy_(cell.recur.weight[head : head + 1])
            alone.input.weight.copy_(cell.input.weight.view(4, 2, 3, 3)[:, head].flatten(0, 1))
            alone.input.bias.copy_(cell.input.bias.view(4, 2, 3)[:, head].flatten())
        part = ost.RNN(alone, "reference")(x)[0]
        torch.testing.assert_close(part, y[..., 3 * head : 3 * head + 3], atol=1e-14, rtol=0)


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [
        (torch.float16, 20.0),
        (torch.bfloat16, 200.0),
        (torch.float32, 200.0),
        (torch.float64, 200.0),
    ],
)
def test_large_pre_activations_stay_finite(dtype, scale):
    cell = drawn(scale=scale).to(dtype)
    x = (torch.randn(8, 30, 3) * 20).to(dtype).requires_grad_()
    y, state = ost.RNN(cell, "reference")(x)
    assert all(bool(leaf.isfinite().all()) for leaf in (y, *state))
    assert bool((state[2] >= 1).all())
    assert bool(torch.autograd.grad(y.sum(), x)[0].isfinite().all())


def test_a_first_input_gate_that_is_all_but_closed_writes_all_the_same():
    """c and n begin with the same factor, which cancels; also where it underflows."""
    cell, x = drawn(), torch.randn(2, 1, 3, dtype=F64)
    expected = ost.RNN(cell, "reference")(x)[0]
    with torch.no_grad():
        cell.input.bias[:6] -= 900
    torch.testing.assert_close(ost.RNN(cell, "reference")(x)[0], expected, atol=1e-14, rtol=0)


def test_how_it_begins():
    cell = SLSTMCell(3, 8, heads=2, depth=0.5)
    assert not cell.recur.weight.any()
    bias = cell.input.bias.detach().view(4, 2, 4)
    assert not bias[[0, 2, 3]].any()
    expected = 5 - 12 * torch.tensor([0, 1 / 3, 2 / 3, 1]) ** 0.95
    torch.testing.assert_close(bias[1], expected.expand(2, 4))


@pytest.mark.parametrize(
    ("options", "words"),
    [({"heads": 4}, "heads must divide .* 6; got heads=4"), ({"depth": 2.0}, "between 0 and 1")],
)
def test_bad_options(options, words):
    with pytest.raises(ost.OstinatoError, match=words):
        SLSTMCell(3, 6, **options)
