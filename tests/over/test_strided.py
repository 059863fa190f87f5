"""Layers over every s-th step."""

from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.errors import ArgumentError
from ostinato.core.state import leaves, map_state, rows_like
from ostinato.over.strided import Strided
from ostinato.wrap.zoneout import Zoneout

STRIDES = [1, 2, 3, 5]


def layer_of(stride, name="LSTM"):
    return Strided(ost.RNN(make_cell(name, 3, 4).double(), learn_initial_state=True), stride)


def sequences(steps=11):
    return torch.randn(3, steps, 3, dtype=torch.float64)


def rowwise(condition, yes, no):
    return map_state(lambda a, b: torch.where(rows_like(condition, a), a, b), yes, no)


def loop(layer, x, state=None, resets=None, lengths=None):
    """Step by step: outputs, the state after each step."""
    fresh = layer.initial_state(len(x))
    state, ys, states = fresh if state is None else state, [], []
    for t in range(x.shape[1]):
        if resets is not None:
            state = rowwise(resets[:, t], fresh, state)
        y, after = layer.step(x[:, t], state)
        if lengths is not None:
            valid = t < lengths
            y, after = rowwise(valid, y, torch.zeros_like(y)), rowwise(valid, after, state)
        state = after
        ys.append(y)
        states.append(state)
    return torch.stack(ys, 1), states


def check(layer, x, state=None, **options):
    y, end, every = layer(x, state, return_states=True, **options)
    expected, states = loop(layer, x, state, **options)
    again, last = layer(x, state, **options)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(again, expected)
    for found in (end, last):
        torch.testing.assert_close(leaves(found), leaves(states[-1]))
    for t, after in enumerate(states):
        for a, b in zip(leaves(every), leaves(after), strict=True):
            torch.testing.assert_close(a[:, t], b)


def test_every_step_reads_the_state_s_steps_before():
    layer, x = Strided(ost.RNN(make_cell("GRU", 3, 4).double()), 3), sequences()
    y, h = layer(x)[0], []
    for t in range(x.shape[1]):
        before = h[t - 3] if t >= 3 else torch.zeros(3, 4, dtype=torch.float64)
        h.append(layer.layer.cell(x[:, t], before)[0])
    torch.testing.assert_close(y, torch.stack(h, 1))


@pytest.mark.parametrize("stride", STRIDES)
def test_it_is_the_stream(stride):
    for steps in (1, 4, 11):
        check(layer_of(stride), sequences(steps))


@pytest.mark.parametrize("stride", STRIDES)
def test_masks(stride):
    lengths = torch.tensor([11, 4, 0])
    resets = torch.rand(3, 11) < 0.25
    resets[0, -1] = True
    check(layer_of(stride), sequences(), lengths=lengths)
    check(layer_of(stride), sequences(), resets=resets)
    check(layer_of(stride), sequences(), resets=resets, lengths=lengths)


@pytest.mark.parametrize("stride", STRIDES)
def test_the_state_continues_a_sequence(stride):
    layer, x = layer_of(stride), sequences()
    whole, end = layer(x)
    first, state = layer(x[:, :4])
    rest, last = layer(x[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, rest], 1), whole)
    torch.testing.assert_close(leaves(last), leaves(end))
    check(layer, x, state)


@pytest.mark.parametrize("stride", STRIDES)
def test_against_time(stride):
    cell, x = make_cell("GRU", 3, 4).double(), sequences()
    y = Strided(ost.RNN(cell, reverse=True), stride)(x)[0]
    flipped = Strided(ost.RNN(cell), stride)(x.flip(1))[0].flip(1)
    torch.testing.assert_close(y, flipped)


def test_padding_of_nan_leaks_nowhere():
    layer, x = layer_of(3), sequences()
    x[1, 4:] = torch.nan
    x.requires_grad_()
    y, state = layer(x, lengths=[11, 4, 7])
    assert all(leaf.isfinite().all() for leaf in (y, *leaves(state)))
    wanted = [x, *layer.parameters()]
    grads = torch.autograd.grad(y.sum() + sum(leaf.sum() for leaf in leaves(state)), wanted)
    assert all(grad.isfinite().all() for grad in grads)


def test_no_steps():
    y, state = layer_of(3)(sequences(0))
    assert y.shape == (3, 0, 4)
    torch.testing.assert_close(leaves(state), leaves(layer_of(3).initial_state(3)))


def test_noise_is_that_of_the_steps():
    layer = Strided(ost.RNN(Zoneout(make_cell("GRU", 3, 4).double(), 0.5)), 3)
    x, noise = sequences(), layer.sample_noise(3, 11)
    assert all(leaf.shape[:2] == (11, 3) for leaf in leaves(noise))
    y = layer(x, noise=noise)[0]
    state = None
    for t in range(11):
        found, state = layer.step(x[:, t], state, map_state(lambda leaf, t=t: leaf[t], noise))
        torch.testing.assert_close(found, y[:, t])
    assert layer_of(2).sample_noise(3, 11) is None


def test_newton_needs_no_companion_state():
    layer = Strided(ost.RNN(make_cell("GRU", 3, 4).double(), "parallel"), 5)
    x = sequences(203)
    with ost.newton() as solves:
        y = layer(x)[0]
    assert [solve.engine for solve in solves] == [None]
    torch.testing.assert_close(y, loop(layer, x)[0])


def test_the_stride_is_checked():
    with pytest.raises(ArgumentError, match="stride must be at least 1; got 0"):
        layer_of(0)
