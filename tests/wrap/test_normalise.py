"""Norms at three places of any cell."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.nn import functional as F

from ostinato.cells.gru import GRUCell
from ostinato.cells.lstm import LSTMCell
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError
from ostinato.over.time import RNN
from ostinato.wrap import Normalised, Zoneout

from .toys import Plain

F64 = torch.float64


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=F64)


def randomise(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()


class Raw(Cell):
    """An elementwise recurrence with a raw parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.input_size = self.hidden_size = 3
        self.input = nn.Linear(3, 3)
        self.u = nn.Parameter(torch.rand(3))

    def initial_state(self, batch_size: int) -> Tensor:
        return self.zeros(batch_size, 3)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(self.input(x) + self.u * h)
        return h, h


class Joint(Raw):
    """One linear map of input and state together."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(6, 3)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(self.input(x) + self.gate(torch.cat([x, h], -1)))
        return h, h


def test_the_layer_norm_lstm_of_the_paper() -> None:
    cell = LSTMCell(3, 4, dtype=F64)
    wx, wh, b = cell.input.weight, cell.recur.weight, cell.input.bias
    wrapped = Normalised(cell)
    assert wrapped.places == {"input": ["input"], "state": ["recur"], "readout": ["readout"]}
    randomise(wrapped)
    n_x, n_h, n_c = cell.input[1], cell.recur[1], cell.readout[1]
    x, (h, c) = normal(2, 3), (normal(2, 4), normal(2, 4))
    pre = F.layer_norm(x @ wx.T + b, (16,), n_x.weight, n_x.bias)
    pre = pre + F.layer_norm(h @ wh.T, (16,), n_h.weight, n_h.bias)
    i, f, g, o = pre.chunk(4, -1)
    new_c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    new_h = o.sigmoid() * F.layer_norm(new_c, (4,), n_c.weight, n_c.bias).tanh()
    y, state = wrapped(x, (h, c))
    torch.testing.assert_close(y, new_h)
    torch.testing.assert_close(state[0], new_h)
    torch.testing.assert_close(state[1], new_c)


def test_the_form_with_the_read_out_alone() -> None:
    cell = LSTMCell(3, 4, dtype=F64)
    wrapped = Normalised(cell, at=("readout",))
    assert isinstance(cell.input, nn.Linear)
    x, state = normal(2, 3), (normal(2, 4), normal(2, 4))
    pre = cell.input(x) + cell.recur(state[0])
    _, _, _, o = pre.chunk(4, -1)
    y, (_, c) = wrapped(x, state)
    torch.testing.assert_close(y, o.sigmoid() * F.layer_norm(c, (4,)).tanh())


def test_without_a_read_out_module_the_output_is_normalised_and_the_state_is_not() -> None:
    cell = Plain(3, 4)
    wrapped = Normalised(cell, at=["readout"])
    assert wrapped.places == {"readout": []}
    x, h = normal(2, 3), normal(2, 4)
    expected, state = cell(x, h)
    y, new = wrapped(x, h)
    torch.testing.assert_close(y, F.layer_norm(expected, (4,)))
    assert torch.equal(new, state)


def test_scaling_an_input_or_the_recurrent_matrix_changes_nothing() -> None:
    cell = LSTMCell(3, 4, bias=False, dtype=F64)
    wrapped = Normalised(cell, partial(nn.LayerNorm, eps=0.0))
    x, state = normal(2, 3), (normal(2, 4), normal(2, 4))
    y, _ = wrapped(x, state)
    torch.testing.assert_close(wrapped(5 * x, state)[0], y)
    with torch.no_grad():
        cell.recur[0].weight *= 7
    torch.testing.assert_close(wrapped(x, state)[0], y)
    y.sum().backward()
    weight = cell.recur[0].weight
    assert (weight * weight.grad).sum().item() == pytest.approx(0, abs=1e-12)


def test_an_identity_norm_leaves_the_cell_bitwise() -> None:
    cell, x = GRUCell(3, 4), torch.randn(2, 5, 3)
    expected, _ = RNN(cell, engine="reference")(x)
    wrapped = Normalised(cell, lambda size: nn.Identity())
    assert torch.equal(RNN(wrapped, engine="reference")(x)[0], expected)


def test_any_factory_that_takes_a_size_makes_the_norms() -> None:
    cell = GRUCell(3, 4, dtype=F64)
    Normalised(cell, partial(nn.RMSNorm, eps=1e-6), at=("input", "state"))
    assert isinstance(cell.input[1], nn.RMSNorm)
    assert cell.recur[1].weight.shape == (12,)
    assert cell.recur[1].weight.dtype == F64


def test_the_changed_cell_has_no_native_form() -> None:
    cell = LSTMCell(3, 4)
    wrapped = Normalised(cell)
    assert isinstance(wrapped.native(), str)
    assert isinstance(cell.native(), str)


def test_raw_parameters_are_an_error_that_names_them() -> None:
    cell = Raw()
    with pytest.raises(ArgumentError, match=r"Raw has no linear map of its state alone.*: u\."):
        Normalised(cell)
    assert isinstance(cell.input, nn.Linear)
    Normalised(cell, at=("input", "readout"))


def test_a_joint_map_is_an_error_that_names_it_and_the_way_out() -> None:
    message = r"input and state together: gate.*modules=\{'input': \['input'\], 'state': \[\]\}"
    with pytest.raises(ArgumentError, match=message):
        Normalised(Joint(), at=("input",))
    cell = Joint()
    wrapped = Normalised(cell, at=(), modules={"input": ["input"], "state": ["gate"]})
    assert wrapped.places == {"input": ["input"], "state": ["gate"]}
    assert isinstance(cell.gate[1], nn.LayerNorm)


def test_named_modules_need_no_search() -> None:
    cell = GRUCell(3, 4, reset_after=False)
    modules = {"input": ["input"], "state": ["recur", "recur_new"]}
    Normalised(cell, modules=modules)
    assert cell.recur[1].weight.shape == (8,)
    assert cell.recur_new[1].weight.shape == (4,)


def test_an_unknown_module_or_place_is_guessed() -> None:
    with pytest.raises(ArgumentError, match=r"calls no module 'recurr'\. Did you mean 'recur'"):
        Normalised(GRUCell(3, 4), modules={"state": ["recurr"]})
    with pytest.raises(ArgumentError, match=r"No place is called 'inputs'\. Did you mean 'input'"):
        Normalised(GRUCell(3, 4), at=("inputs",))


def test_a_map_under_two_names_is_normalised_under_both() -> None:
    cell = Plain(3, 4)
    cell.alias = cell.recur
    Normalised(cell)
    assert cell.alias is cell.recur


def test_it_reaches_through_wrappers() -> None:
    cell = LSTMCell(3, 4)
    wrapped = Normalised(Zoneout(cell, 0.1))
    assert wrapped.places["readout"] == ["cell.readout"]
    assert isinstance(cell.readout[1], nn.LayerNorm)
    assert wrapped.sample_noise(2, 3)[0] is None


def test_gradients() -> None:
    wrapped = Normalised(Plain(2, 3))
    x, h = normal(2, 2).requires_grad_(), normal(2, 3).requires_grad_()
    assert gradcheck(lambda x, h: wrapped(x, h), (x, h))


def test_a_zero_state_gives_finite_gradients() -> None:
    rnn = RNN(Normalised(LSTMCell(3, 4)))
    rnn(torch.zeros(2, 5, 3))[0].sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in rnn.parameters())


def test_rows_of_a_batch_do_not_mix() -> None:
    wrapped, x = Normalised(LSTMCell(3, 4)), torch.randn(2, 3)
    other = torch.cat([x[:1], torch.randn(1, 3)])
    state = wrapped.initial_state(2)
    assert torch.equal(wrapped(x, state)[0][0], wrapped(other, state)[0][0])


def test_the_state_dict_is_regular() -> None:
    source, target = (Normalised(LSTMCell(3, 4)) for _ in range(2))
    randomise(source)
    assert "cell.recur.0.weight" in source.state_dict()
    assert "cell.recur.1.weight" in source.state_dict()
    target.load_state_dict(source.state_dict())
    x, state = torch.randn(2, 3), source.initial_state(2)
    assert torch.equal(source(x, state)[0], target(x, state)[0])
