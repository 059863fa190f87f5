"""CfC: its limits, irregular times, and the time that broadcasting would spoil."""

from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells.cfc import CfCCell
from ostinato.core.errors import ArgumentError, ShapeError

F64 = torch.float64
MODES = ("default", "no_gate", "pure")


def made(mode="default", **options):
    torch.manual_seed(0)
    return CfCCell(3, 4, mode=mode, dtype=F64, **options)


def heads(cell, x, h):
    return (cell.input(x) + cell.recur(h)).split(4, -1)


def inputs(rows=4, steps=5):
    torch.manual_seed(1)
    return torch.randn(rows, steps, 3, dtype=F64), torch.rand(rows, steps, 1, dtype=F64) * 3


@pytest.mark.parametrize(("offset", "head"), [(-1e4, 0), (1e4, 1)])
def test_a_gate_that_is_shut_leaves_one_head(offset, head):
    cell, (x, h) = made(), torch.randn(2, 2, 3, dtype=F64)
    h = torch.randn(2, 4, dtype=F64)
    with torch.no_grad():
        for matrix in (cell.input.weight, cell.recur.weight, cell.input.bias):
            matrix[8:] = 0
        cell.input.bias[12:] = offset
    torch.testing.assert_close(cell(x, h)[1], heads(cell, x, h)[head].tanh())


def test_the_equations():
    x, h = torch.randn(2, 3, dtype=F64), torch.randn(2, 4, dtype=F64)
    elapsed = torch.tensor([[0.3], [2.0]], dtype=F64)
    f, g, a, c = heads(made(), x, h)
    s = torch.sigmoid(a * elapsed + c)
    expected = f.tanh() * (1 - s) + g.tanh() * s
    torch.testing.assert_close(made()((x, elapsed), h)[1], expected)
    torch.testing.assert_close(made("no_gate")((x, elapsed), h)[1], f.tanh() + s * g.tanh())
    pure = made("pure")
    with torch.no_grad():
        pure.rate.fill_(-0.2)
        pure.rest.fill_(0.7)
    (f,) = heads(pure, x, h)
    # The sign of f matters outside the exponent only.
    expected = 0.7 - 0.7 * torch.exp(-elapsed * (0.2 + f.abs())) * f
    torch.testing.assert_close(pure((x, elapsed), h)[1], expected)


def test_pure_without_drive_rests():
    cell = made("pure")
    with torch.no_grad():
        for parameter in (cell.input.weight, cell.input.bias, cell.recur.weight):
            parameter.zero_()
    found = cell(torch.randn(2, 3, dtype=F64), torch.randn(2, 4, dtype=F64))[1]
    torch.testing.assert_close(found, torch.ones(2, 4, dtype=F64))


@pytest.mark.parametrize(
    ("mode", "engine"), [*((mode, "reference") for mode in MODES), ("default", "fused")]
)
def test_irregular_times_row_by_row_also_where_rows_are_as_many_as_units(
    mode, engine, quick_compile
):
    rnn, (x, elapsed) = ost.RNN(made(mode), engine), inputs(rows=4)
    together = rnn((x, elapsed))[0]
    alone = [rnn((x[k : k + 1], elapsed[k : k + 1]))[0] for k in range(4)]
    torch.testing.assert_close(together, torch.cat(alone))
    assert not torch.allclose(together, rnn(x)[0])


def test_times_without_an_axis_are_refused():
    x, elapsed = inputs()
    with pytest.raises(ShapeError, match=r"elapsed\.unsqueeze"):
        ost.RNN(made(), "reference")((x, elapsed[..., 0]))


def test_a_step_of_one_unit_is_the_default():
    x, _ = inputs()
    rnn = ost.RNN(made())
    torch.testing.assert_close(rnn(x)[0], rnn((x, torch.ones(4, 5, 1, dtype=F64)))[0])


def test_a_backbone(quick_compile):
    cell = CfCCell(3, 4, mode="no_gate", backbone=(6, 5), activation="silu", dtype=F64)
    x, h = torch.randn(2, 3, dtype=F64), torch.randn(2, 4, dtype=F64)
    z = cell.deeper[0](torch.nn.functional.silu(cell.input(x) + cell.recur(h)))
    f, g, a, c = cell.deeper[1](torch.nn.functional.silu(z)).split(4, -1)
    torch.testing.assert_close(cell(x, h)[1], f.tanh() + torch.sigmoid(a + c) * g.tanh())
    found = str(ost.explain(ost.RNN(cell), torch.randn(2, 5, 3, dtype=F64)))
    assert "dense, nonlinear; verified by Jacobians" in found
    assert "chosen → fused" in found


def test_weights_begin_within_the_bounds_of_one_head():
    torch.manual_seed(0)
    cell = CfCCell(30, 50)
    bound = (6 / (30 + 50 + 50)) ** 0.5
    for weight in (cell.input.weight, cell.recur.weight):
        assert 0.95 * bound < float(weight.detach().abs().max()) <= bound


def test_unknown_options():
    with pytest.raises(ArgumentError, match="Did you mean 'no_gate'"):
        CfCCell(3, 4, mode="nogate")
    with pytest.raises(ArgumentError, match="Did you mean 'lecun_tanh'"):
        CfCCell(3, 4, activation="lecun")
