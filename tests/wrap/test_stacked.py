from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.compiler.fission import split
from ostinato.compiler.structure import structure
from ostinato.compiler.trace import trace
from ostinato.core.errors import ArgumentError
from ostinato.wrap import Stacked, Zoneout


def drawn():
    torch.manual_seed(0)
    return [make_cell("ParaGRU", 3, 4), make_cell("LSTM", 4, 2)]


def test_it_is_a_stack_of_layers():
    cells, x = drawn(), torch.randn(2, 6, 3)
    stack = ost.Stack([ost.RNN(cell, "reference") for cell in cells])
    y, state = stack(x)
    got, last = ost.RNN(Stacked(cells), "reference")(x)
    torch.testing.assert_close(got, y)
    torch.testing.assert_close(last, state)


def test_a_layer_sees_those_below_it_and_not_those_above():
    cell = Stacked([make_cell("ParaGRU", 3, 4), make_cell("ParaGRU", 4, 4)])
    state = cell.initial_state(2)
    found = structure(split(trace(lambda h, x: cell(x, h)[::-1], state, torch.randn(2, 3))))
    (own, none), (below, upper) = found.couplings
    assert (own.heads, none.heads, below.heads, upper.heads) == (4, 0, 1, 4)


@pytest.mark.slow
def test_it_keeps_the_contract_with_noise():
    torch.manual_seed(0)
    noisy = Stacked([make_cell("Elman", 3, 4), Zoneout(make_cell("Elman", 4, 5), 0.3)])
    assert (noisy.input_size, noisy.hidden_size) == (3, 5)
    assert not ost.check_cell(noisy, dtypes=[torch.float64]).failures


def test_noise_goes_to_its_cell():
    noisy = Stacked([make_cell("Elman", 3, 4), Zoneout(make_cell("Elman", 4, 4), 1.0)])
    noise = noisy.sample_noise(2, 5)
    below, upper = ost.RNN(noisy, "reference")(torch.randn(2, 5, 3), noise=noise)[1]
    assert below.all()
    assert not upper.any()  # zoned out at every step
    assert Stacked(drawn()).sample_noise(2, 5) is None


def test_at_least_one_cell():
    with pytest.raises(ArgumentError, match="at least one cell"):
        Stacked([])
