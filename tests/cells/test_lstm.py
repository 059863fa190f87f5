from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells.lstm import LSTMCell
from ostinato.core.errors import ArgumentError


def outputs(cell, x):
    y, (_, c) = ost.RNN(cell)(x)
    return torch.cat([y[:, -1], c], -1)


def copied(source, **options):
    """A cell with other options and the blocks of the gates that both have."""
    cell = LSTMCell(source.input_size, source.hidden_size, **options).double()
    with torch.no_grad():
        for gate in cell.gates:
            ours, theirs = (
                slice(
                    c.gates.index(gate) * c.hidden_size, (c.gates.index(gate) + 1) * c.hidden_size
                )
                for c in (cell, source)
            )
            cell.input.weight[ours] = source.input.weight[theirs]
            cell.input.bias[ours] = source.input.bias[theirs]
            cell.recur.weight[ours] = source.recur.weight[theirs]
    return cell


X = torch.randn(2, 7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_peepholes_at_zero_are_none():
    plain = LSTMCell(3, 5).double()
    peep = copied(plain, peepholes=True)
    assert not torch.allclose(outputs(plain, X), outputs(peep, X))
    for weight in peep.peepholes.values():
        torch.nn.init.zeros_(weight)
    torch.testing.assert_close(outputs(plain, X), outputs(peep, X))


def test_the_output_gate_sees_the_new_cell_and_the_others_the_old_one():
    cell = LSTMCell(3, 2, peepholes=True).double()
    h, c = torch.randn(1, 2, dtype=torch.float64), torch.randn(1, 2, dtype=torch.float64)
    x = torch.randn(1, 3, dtype=torch.float64)
    i, f, g, o = (cell.input(x) + cell.recur(h)).chunk(4, -1)
    p = cell.peepholes
    new = torch.sigmoid(f + p["f"] * c) * c + torch.sigmoid(i + p["i"] * c) * torch.tanh(g)
    expected = torch.sigmoid(o + p["o"] * new) * torch.tanh(new)
    found, (_, found_c) = cell(x, (h, c))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found_c, new)


def test_the_form_of_1997_is_a_forget_gate_held_open():
    old = LSTMCell(3, 5, forget_gate=False).double()
    new = LSTMCell(3, 5).double()
    with torch.no_grad():
        for a, b in ((slice(0, 5), slice(0, 5)), (slice(10, 20), slice(5, 15))):
            new.input.weight[a], new.input.bias[a] = old.input.weight[b], old.input.bias[b]
            new.recur.weight[a] = old.recur.weight[b]
        new.input.weight[5:10] = new.recur.weight[5:10] = 0
        new.input.bias[5:10] = 100
    torch.testing.assert_close(outputs(old, X), outputs(new, X))


def test_coupled_gates_sum_to_one():
    coupled = LSTMCell(3, 5, coupled=True).double()
    plain = LSTMCell(3, 5).double()
    with torch.no_grad():
        for target, source in (("weight", coupled.input.weight), ("bias", coupled.input.bias)):
            getattr(plain.input, target)[5:] = source
            getattr(plain.input, target)[:5] = -source[:5]
        plain.recur.weight[5:] = coupled.recur.weight
        plain.recur.weight[:5] = -coupled.recur.weight[:5]
    torch.testing.assert_close(outputs(plain, X), outputs(coupled, X))


def test_backward_by_its_formula():
    cell = LSTMCell(3, 4).double()
    h, c, x = (torch.randn(2, n, dtype=torch.float64, requires_grad=True) for n in (4, 4, 3))
    _, (new_h, new_c) = cell(x, (h, c))
    h_bar, c_bar = torch.randn_like(new_h), torch.randn_like(new_c)
    found = torch.autograd.grad((new_h * h_bar).sum() + (new_c * c_bar).sum(), [x, h, c])
    i, f, g, o = (cell.input(x) + cell.recur(h)).chunk(4, -1)
    i, f, g, o, s = *map(torch.sigmoid, (i, f)), torch.tanh(g), torch.sigmoid(o), torch.tanh(new_c)
    s_bar = c_bar + h_bar * o * (1 - s**2)
    bars = [
        s_bar * g * i * (1 - i), s_bar * c * f * (1 - f), s_bar * i * (1 - g**2),
        h_bar * s * o * (1 - o),
    ]  # fmt: skip
    bar = torch.cat(bars, -1)
    expected = [bar @ cell.input.weight, bar @ cell.recur.weight, s_bar * f]
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-10)


def test_forget_bias_and_projection():
    cell = LSTMCell(3, 5, forget_bias=1.5, recurrent_bias=True, projection=2)
    assert (cell.input.bias[5:10] + cell.recur.bias[5:10] == 1.5).all()
    h, c = cell.initial_state(4)
    assert (h.shape, c.shape) == ((4, 2), (4, 5))


def test_options_that_exclude_one_another():
    with pytest.raises(ArgumentError, match="forget_gate=True"):
        LSTMCell(3, 5, coupled=True, forget_gate=False)
    with pytest.raises(ArgumentError, match="bias=True"):
        LSTMCell(3, 5, forget_bias=1.0, bias=False)
