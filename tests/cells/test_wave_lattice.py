from __future__ import annotations

import pytest
import torch

from ostinato.cells.elman import ElmanCell
from ostinato.cells.wave_lattice import WaveLatticeCell, lattice_matrix
from ostinato.core.errors import ArgumentError
from ostinato.over.time import RNN


def continued(cell, first, steps):
    """The series that a lattice makes of its first vectors (B, s, d)."""
    x = torch.cat([first, first.new_zeros(len(first), steps, first.shape[2])], 1)
    return RNN(cell)(x)[0]


def test_it_continues_the_series_that_its_boundary_defines():
    """The first s vectors are inputs, to which f of the vectors so far is added."""
    cell = WaveLatticeCell(2, 3).double()
    first = torch.randn(4, 3, 2).double()
    history = [torch.zeros(4, 2).double()] * 3
    for t in range(13):
        value = cell.boundary(torch.stack(history[-3:], 1))
        history.append(value + first[:, t] if t < 3 else value)
    torch.testing.assert_close(continued(cell, first, 10), torch.stack(history[3:], 1))


def test_a_boundary_that_sums_gives_fibonacci_numbers():
    cell = WaveLatticeCell(1, 2, boundary=lambda columns: columns.sum(1))
    found = continued(cell, torch.tensor([[[1.0], [0.0]]]), 6)
    assert found[0, :, 0].tolist() == [1, 1, 2, 3, 5, 8, 13, 21]


def test_repeat_copy_is_a_permutation_whose_eigenvalues_are_roots_of_unity():
    d, s = 2, 5
    boundary = torch.eye(d, d * s, dtype=torch.float64)
    phi = lattice_matrix(boundary)
    eye = torch.eye(d * s, dtype=torch.float64)
    torch.testing.assert_close(torch.linalg.matrix_power(phi, s), eye)
    torch.testing.assert_close(phi @ phi.T, eye)
    values = torch.linalg.eigvals(phi)
    torch.testing.assert_close(values**s, torch.ones_like(values))
    turns = (values.angle() * s / (2 * torch.pi)).round().long() % s
    assert turns.bincount().tolist() == [d] * s


def test_variables_travel_one_column_a_step():
    cell = WaveLatticeCell(1, 4)
    with torch.no_grad():
        cell.boundary.write.weight.copy_(torch.eye(1, 4))
    first = torch.tensor([[[1.0], [2.0], [3.0], [4.0]]])
    x = torch.cat([first, torch.zeros(1, 6, 1)], 1)
    states = RNN(cell)(x, return_states=True)[2][0]
    for t in range(7):  # states[3] holds all four: variable m sits in column (m − t − 1) mod s + 1
        for m in range(1, 5):
            assert states[3 + t, (m - t - 1) % 4] == m


@pytest.mark.parametrize("engine", ["reference", "parallel"])
def test_in_another_basis_it_is_a_linear_network(engine):
    torch.manual_seed(0)
    d, s = 2, 3
    cell = WaveLatticeCell(d, s).double()
    phi = lattice_matrix(cell.boundary.write.weight.detach())
    basis = torch.randn(9, d * s).double()
    dual = torch.linalg.pinv(basis)
    elman = ElmanCell(d, 9, activation="identity", bias=False).double()
    with torch.no_grad():
        elman.recur.weight.copy_(basis @ phi @ dual)
        # the input is written after the shift, in the newest column
        elman.input.weight.copy_(basis[:, -d:])
    x = torch.randn(2, 7, d).double()
    read = RNN(elman, engine)(x)[0] @ dual[-d:].T
    torch.testing.assert_close(read, RNN(cell, engine)(x)[0])


def test_attention_without_preference_is_a_mean():
    cell = WaveLatticeCell(2, 3, boundary="attention")
    mean = WaveLatticeCell(2, 3)
    with torch.no_grad():
        cell.boundary.query.weight.zero_()
        cell.boundary.key.weight.zero_()
        cell.boundary.value.weight.copy_(torch.eye(2))
        mean.boundary.write.weight.copy_(torch.eye(2).repeat(1, 3) / 3)
    first = torch.randn(2, 3, 2)
    torch.testing.assert_close(continued(cell, first, 5), continued(mean, first, 5))


def test_attention_is_that_of_the_newest_column_to_all():
    cell = WaveLatticeCell(4, 5, boundary="attention")
    columns = torch.randn(3, 5, 4)
    boundary = cell.boundary
    expected = torch.nn.functional.scaled_dot_product_attention(
        boundary.query(columns[:, -1:]), boundary.key(columns), boundary.value(columns)
    )
    torch.testing.assert_close(boundary(columns), expected[:, 0])


def test_an_unknown_boundary_is_answered_with_the_nearest():
    with pytest.raises(ArgumentError, match="Did you mean 'linear'"):
        WaveLatticeCell(1, 2, boundary="lineal")
