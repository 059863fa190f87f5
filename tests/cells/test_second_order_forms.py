"""Which second-order cells are special cases of which, exactly."""

from __future__ import annotations

import pytest
import torch

from ostinato.cells.cprnn import CPRNNCell
from ostinato.cells.elman import ElmanCell
from ostinato.cells.gru import GRUCell
from ostinato.cells.mirnn import MIRNNCell
from ostinato.cells.second_order import SecondOrderCell
from ostinato.cells.second_order_forms import terms, to_cprnn, to_second_order
from ostinato.core.errors import ArgumentError
from ostinato.over.time import RNN

F64 = torch.float64
FORMS = {
    "Elman": lambda D, H: ElmanCell(D, H, dtype=F64),
    "Elman, two biases": lambda D, H: ElmanCell(D, H, recurrent_bias=True, dtype=F64),
    "Elman, no bias": lambda D, H: ElmanCell(D, H, bias=False, dtype=F64),
    "MIRNN": lambda D, H: MIRNNCell(D, H, activation="sigmoid", dtype=F64),
    "CPRNN": lambda D, H: CPRNNCell(D, H, rank=3, dtype=F64),
    "CPBIRNN": lambda D, H: CPRNNCell(D, H, rank=3, first_order=False, dtype=F64),
    "2RNN": lambda D, H: SecondOrderCell(D, H, activation="identity", dtype=F64),
}


def run(cell, x):
    return RNN(cell, "reference")(x)[0]


def test_the_terms_are_those_of_the_equation():
    cell = CPRNNCell(3, 4, rank=2, dtype=F64)
    x, h, found = torch.randn(5, 3, dtype=F64), torch.randn(5, 4, dtype=F64), terms(cell)
    second = torch.einsum("ijk,bi,bj->bk", found.tensor, h, x)
    a = second + h @ found.recur.T + x @ found.input.T + found.bias
    torch.testing.assert_close(cell(x, h)[0], torch.tanh(a))


@pytest.mark.parametrize("sizes", [(3, 4), (5, 2)], ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_a_second_order_network_and_a_cprnn(form, sizes):
    cell, x = FORMS[form](*sizes), torch.randn(2, 6, sizes[0], dtype=F64)
    expected = run(cell, x)
    for same in (to_second_order(cell), to_cprnn(cell), to_cprnn(cell, rank=23)):
        torch.testing.assert_close(run(same, x), expected, rtol=1e-12, atol=1e-12)


def test_a_bilinear_network_is_a_second_order_one_from_any_state():
    cell, x = SecondOrderCell(3, 4, first_order=False, dtype=F64), torch.randn(2, 6, 3, dtype=F64)
    state = torch.randn(2, 4, dtype=F64)
    expected = RNN(cell, "reference")(x, state)[0]
    for same in (to_second_order(cell), to_cprnn(cell)):
        found = RNN(same, "reference")(x, state)[0]
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_the_ranks_that_are_exact():
    assert to_cprnn(ElmanCell(3, 4)).rank == 1
    assert to_cprnn(MIRNNCell(3, 4)).rank == 4
    assert to_cprnn(SecondOrderCell(3, 4)).rank == 12
    assert to_cprnn(SecondOrderCell(5, 4)).rank == 16


def test_a_fit_finds_a_tensor_of_its_rank():
    pytest.importorskip("tensorly")
    cell, x = CPRNNCell(5, 4, rank=3, dtype=F64), torch.randn(2, 6, 5, dtype=F64)
    fitted = to_cprnn(to_second_order(cell), rank=3)
    assert fitted.rank == 3
    torch.testing.assert_close(run(fitted, x), run(cell, x), rtol=0, atol=1e-4)
    norms = [
        fitted.state_factor.weight.norm(dim=1),
        fitted.input_factor.weight.norm(dim=1),
        fitted.output_factor.weight.norm(dim=0),
    ]
    torch.testing.assert_close(norms[0], norms[1])
    torch.testing.assert_close(norms[0], norms[2])


def test_a_fit_of_larger_rank_is_nearer():
    pytest.importorskip("tensorly")
    cell = SecondOrderCell(5, 4, dtype=F64)
    whole = terms(cell).tensor
    errors = [float((terms(to_cprnn(cell, rank)).tensor - whole).norm()) for rank in (2, 5, 8)]
    assert errors[0] > errors[1] > errors[2] > 0
    assert errors[2] < 0.3 * float(whole.norm())


def test_other_cells_and_ranks_are_refused():
    with pytest.raises(ArgumentError, match="GRUCell is no second-order form"):
        to_cprnn(GRUCell(3, 4))
    with pytest.raises(ArgumentError, match="rank must be 1 or more; got 0"):
        to_cprnn(ElmanCell(3, 4), rank=0)
