"""TBPTT(k1, k2) is autograd with the state detached in the right places."""

from __future__ import annotations

from collections import namedtuple

import pytest
import torch
from torch import Tensor, nn

from ostinato.cells import make_cell
from ostinato.core.errors import ArgumentError
from ostinato.core.state import detach
from ostinato.over.time import RNN, Stack
from ostinato.train.tbptt import tbptt

T = 12


@pytest.fixture
def layer() -> Stack:
    torch.manual_seed(0)
    return Stack([RNN(make_cell("LSTM", 3, 4)), RNN(make_cell("GRU", 4, 2))]).double()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, T, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def gradient(layer: nn.Module, loss: Tensor) -> Tensor:
    parts = torch.autograd.grad(loss, list(layer.parameters()))
    return torch.cat([p.flatten() for p in parts])


def losses(outputs: Tensor, start: int) -> Tensor:
    """A different loss at every step."""
    steps = torch.arange(start, start + outputs.shape[1], dtype=outputs.dtype) + 1
    return (outputs.square().sum((0, 2)) * steps).sum()


def truncated(layer: nn.Module, x: Tensor, start: int, stop: int, origin: int) -> Tensor:
    """The same by hand: run, detach at `origin`, go on, take the losses of the window."""
    state = None
    if origin:
        _, state = layer(x[:, :origin])
        state = detach(state)
    outputs, _ = layer(x[:, origin:stop], state)
    return gradient(layer, losses(outputs[:, start - origin :], start))


def test_k1_k2_t_is_full_backpropagation(layer: Stack, x: Tensor) -> None:
    (window,) = tbptt(layer, x, T)
    outputs, state = layer(x)
    torch.testing.assert_close(
        gradient(layer, losses(window.outputs, 0)), gradient(layer, losses(outputs, 0))
    )
    torch.testing.assert_close(window.state, state)


@pytest.mark.parametrize(
    ("k1", "k2"), [(3, 3), (3, 4), (3, 5), (3, 6), (3, 8), (4, 7), (5, 5), (5, 9), (1, 4), (7, 20)]
)
def test_gradients_are_those_of_autograd_with_detach(
    layer: Stack, x: Tensor, k1: int, k2: int
) -> None:
    covered = 0
    for window in tbptt(layer, x, k1, k2):
        assert window.start == covered
        covered = window.stop
        origin = max(0, window.start + k1 - k2)
        expected = truncated(layer, x, window.start, window.stop, origin)
        torch.testing.assert_close(gradient(layer, losses(window.outputs, window.start)), expected)
    assert covered == T


def test_one_and_t_give_the_full_gradient_of_each_steps_loss(layer: Stack, x: Tensor) -> None:
    outputs, _ = layer(x)
    full = gradient(layer, losses(outputs, 0))
    parts = [gradient(layer, losses(w.outputs, w.start)) for w in tbptt(layer, x, 1, T)]
    assert len(parts) == T
    torch.testing.assert_close(torch.stack(parts).sum(0), full)


def test_a_shorter_truncation_is_another_gradient(layer: Stack, x: Tensor) -> None:
    full = gradient(layer, losses(layer(x)[0], 0))
    parts = [gradient(layer, losses(w.outputs, w.start)) for w in tbptt(layer, x, 3)]
    assert not torch.allclose(torch.stack(parts).sum(0), full)


@pytest.mark.parametrize(("k1", "k2"), [(4, 4), (4, 9), (5, 6)])
def test_outputs_are_those_of_the_whole_and_the_state_is_detached(
    layer: Stack, x: Tensor, k1: int, k2: int
) -> None:
    windows = list(tbptt(layer, x, k1, k2))
    outputs, state = layer(x)
    torch.testing.assert_close(torch.cat([w.outputs for w in windows], 1), outputs)
    torch.testing.assert_close(windows[-1].state, state)
    assert not any(t.requires_grad for t in torch.utils._pytree.tree_leaves(windows[-1].state))


def test_a_given_state_and_resets_are_honoured(layer: Stack, x: Tensor) -> None:
    _, state = layer(x[:, :5])
    resets = torch.zeros(2, T, dtype=torch.bool)
    resets[:, [4, 9]] = True
    windows = list(tbptt(layer, x, 3, 5, detach(state), resets))
    expected, _ = layer(x, state, resets=resets)
    torch.testing.assert_close(torch.cat([w.outputs for w in windows], 1), expected)


def test_weights_may_change_between_windows(layer: Stack, x: Tensor) -> None:
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    before = nn.utils.parameters_to_vector(layer.parameters()).detach().clone()
    for window in tbptt(layer, x, 3, 7):
        losses(window.outputs, window.start).backward()
        optimizer.step()
        optimizer.zero_grad()
    after = nn.utils.parameters_to_vector(layer.parameters()).detach()
    assert after.isfinite().all()
    assert not torch.equal(before, after)


def test_any_tree_of_states_is_carried(x: Tensor) -> None:
    memory = namedtuple("memory", "total parts")

    def model(x: Tensor, state: memory | None) -> tuple[Tensor, memory]:
        state = state or memory(torch.zeros(2, 3, dtype=x.dtype), {"last": [x[:, 0]]})
        y = state.total[:, None] + x.cumsum(1)
        return y, memory(y[:, -1], {"last": [x[:, -1]]})

    windows = list(tbptt(model, x, 5))
    torch.testing.assert_close(torch.cat([w.outputs for w in windows], 1), x.cumsum(1))
    assert torch.equal(windows[-1].state.parts["last"][0], x[:, -1])


@pytest.mark.parametrize(("k1", "k2"), [(0, 3), (4, 3)])
def test_wrong_spans_are_refused_at_once(layer: Stack, x: Tensor, k1: int, k2: int) -> None:
    with pytest.raises(ArgumentError, match="k1 <= k2"):
        tbptt(layer, x, k1, k2)
