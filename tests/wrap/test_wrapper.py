"""What every wrapper promises, alone and inside others, around any cell."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor

from ostinato.cells.gru import GRUCell
from ostinato.cells.lstm import LSTMCell
from ostinato.core.cell import Cell
from ostinato.core.state import index, leaves, map_state
from ostinato.over.time import RNN
from ostinato.wrap import (
    Leak,
    LearnedState,
    Normalised,
    RecurrentDropout,
    Residual,
    VariationalDropout,
    Wrapper,
    Zoneout,
)
from ostinato.wrap.wrapper import follow, innermost

from .toys import Plain, Tree

F64 = torch.float64
CELLS: dict[str, Callable[[], Cell]] = {
    "plain": lambda: Plain(4, 4),
    "gru": lambda: GRUCell(4, 4, dtype=F64),
    "lstm": lambda: LSTMCell(4, 4, dtype=F64),
    "tree": lambda: Tree(4, 4),
}
WRAPPERS: dict[str, Callable[[Cell], Wrapper]] = {
    "zoneout": lambda c: Zoneout(c, 0.3),
    "recurrent dropout": lambda c: RecurrentDropout(c, 0.3),
    "variational dropout": lambda c: VariationalDropout(c, 0.3, 0.2, 0.1),
    "leak": lambda c: Leak(c, 0.4, learn=True),
    "residual": lambda c: Residual(c, projection=True),
    "read-out norm": lambda c: Normalised(c, at=("readout",)),
    "learned state": LearnedState,
    "zoneout over dropout": lambda c: Zoneout(VariationalDropout(c, 0.3, 0.2, 0.1), 0.3),
    "dropout over zoneout": lambda c: RecurrentDropout(Zoneout(c, 0.3), 0.2),
    "all": lambda c: Residual(
        Zoneout(Leak(RecurrentDropout(Normalised(LearnedState(c), at=["readout"]), 0.2), 0.5), 0.3),
        projection=True,
    ),
}
every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
every_wrapper = pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS.keys())


def close(found: object, expected: object) -> None:
    for a, b in zip(leaves(found), leaves(expected), strict=True):
        torch.testing.assert_close(a, b)


def same(found: object, expected: object) -> bool:
    pairs = zip(leaves(found), leaves(expected), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@every_cell
@every_wrapper
def test_steps_with_noise_are_the_sequence_with_noise(wrap: Callable, cell: Callable) -> None:
    rnn = RNN(wrap(cell()), engine="reference")
    x = torch.randn(3, 6, 4, dtype=F64)
    noise = rnn.sample_noise(3, 6, torch.Generator().manual_seed(0))
    y, last = rnn(x, noise=noise)
    state = None
    for t in range(6):
        step_noise = None if noise is None else index(noise, t)
        y_t, state = rnn.step(x[:, t], state, step_noise)
        close(y_t, y[:, t])
    close(state, last)


@every_cell
@every_wrapper
def test_evaluation_is_the_step_without_noise(wrap: Callable, cell: Callable) -> None:
    rnn = RNN(wrap(cell()), engine="reference").eval()
    x = torch.randn(3, 6, 4, dtype=F64)
    y, _ = rnn(x, generator=torch.Generator().manual_seed(5))
    state = None
    for t in range(6):
        y_t, state = rnn.step(x[:, t], state)
        close(y_t, y[:, t])


@every_cell
@every_wrapper
def test_one_seed_gives_one_result_and_the_mode_only_draws(wrap: Callable, cell: Callable) -> None:
    rnn = RNN(wrap(cell()), engine="reference")
    x = torch.randn(3, 6, 4, dtype=F64)
    runs = [rnn(x, generator=torch.Generator().manual_seed(7))[0] for _ in range(2)]
    assert same(*runs)
    noise = rnn.sample_noise(3, 6, torch.Generator().manual_seed(7))
    if noise is not None:
        assert same(rnn.eval()(x, noise=noise)[0], runs[0])
        assert not same(rnn.train()(x, generator=torch.Generator().manual_seed(8))[0], runs[0])


@every_cell
@every_wrapper
def test_ragged_rows_are_as_if_alone(wrap: Callable, cell: Callable) -> None:
    rnn = RNN(wrap(cell()), engine="reference")
    x = torch.randn(2, 5, 4, dtype=F64)
    x[0, 3:] = float("nan")
    noise = rnn.sample_noise(2, 5)
    y, state = rnn(x, lengths=[3, 5], noise=noise)
    alone = map_state(lambda leaf: leaf[:3, :1], noise) if noise is not None else None
    expected, expected_state = rnn(x[:1, :3], noise=alone)
    close(y[:1, :3], expected)
    close(map_state(lambda leaf: leaf[:1], state), expected_state)


@every_cell
@every_wrapper
def test_gradients_through_checkpoints_with_noise(wrap: Callable, cell: Callable) -> None:
    rnn = RNN(wrap(cell()), engine="reference")
    x = torch.randn(2, 5, 4, dtype=F64, requires_grad=True)
    noise = rnn.sample_noise(2, 5)
    wanted = [x, *(p for p in rnn.parameters())]
    grads = [
        torch.autograd.grad(rnn(x, noise=noise, checkpoint=k)[0].sum(), wanted, allow_unused=True)
        for k in (None, 2)
    ]
    close(*grads)
    assert grads[0][0].abs().max() > 0


@every_cell
@every_wrapper
def test_saving_loading_and_copying(wrap: Callable, cell: Callable) -> None:
    source, target = wrap(cell()), wrap(cell())
    target.load_state_dict(source.state_dict())
    x = torch.randn(2, 3, 4, dtype=F64)
    expected, _ = RNN(source).eval()(x)
    assert same(RNN(target).eval()(x)[0], expected)
    assert same(RNN(deepcopy(source)).eval()(x)[0], expected)


@every_cell
def test_the_cell_inside_is_left_untouched(cell: Callable) -> None:
    inside = cell()
    before, x = deepcopy(inside.state_dict()), torch.randn(2, 4, dtype=F64)
    expected = inside(x, inside.initial_state(2))
    for wrap in WRAPPERS.values():
        if wrap is not WRAPPERS["all"] and wrap is not WRAPPERS["read-out norm"]:
            wrap(inside)(x, inside.initial_state(2))
    assert same(inside.state_dict(), before)
    assert same(inside(x, inside.initial_state(2)), expected)


def test_noise_travels_as_the_pair_of_own_and_inner() -> None:
    wrapped = Zoneout(RecurrentDropout(Plain(4, 4), 0.2), 0.3)
    own, (inner, innermost_noise) = wrapped.sample_noise(2, 3)
    assert own.shape == inner.shape == (3, 2, 4)
    assert innermost_noise is None
    own, inner = Zoneout(Plain(4, 4), 0.3).sample_noise(2, 3)
    assert inner is None
    assert Leak(Plain(4, 4), 0.3).sample_noise(2, 3) is None
    assert Leak(RecurrentDropout(Plain(4, 4), 0.2), 0.3).sample_noise(2, 3)[0] is None


def test_sizes_are_those_of_the_cell_inside() -> None:
    cell = Plain(3, 4)
    wrapped = Zoneout(LearnedState(cell), 0.1)
    assert (wrapped.input_size, wrapped.hidden_size) == (3, 4)
    assert innermost(wrapped) is cell
    assert innermost(cell) is cell


def test_an_output_follows_the_leaf_that_it_is() -> None:
    old, new = (torch.zeros(1), torch.ones(1)), (torch.zeros(1), torch.ones(1))
    assert follow(old[1], old, new) is new[1]
    other: Tensor = torch.ones(1)
    assert follow(other, old, new) is other


def test_float32_cells_stay_float32() -> None:
    for wrap in WRAPPERS.values():
        rnn = RNN(wrap(LSTMCell(4, 4)), engine="reference")
        y, state = rnn(torch.randn(2, 3, 4))
        assert {leaf.dtype for leaf in leaves((y, state))} == {torch.float32}
