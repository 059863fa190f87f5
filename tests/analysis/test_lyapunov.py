import math

import pytest
import torch

import ostinato as ost
from ostinato.analysis.lyapunov import LyapunovExponents, lyapunov_exponents
from ostinato.cells.elman import ElmanCell
from ostinato.core.errors import ArgumentError

F64 = torch.float64


class Linear(ost.Cell):
    def __init__(self, matrix):
        super().__init__()
        self.matrix = torch.nn.Parameter(matrix)

    def initial_state(self, batch_size):
        return self.zeros(batch_size, len(self.matrix))

    def forward(self, x, h):
        h = h @ self.matrix.T + x
        return h, h


class Henon(ost.Cell):
    def initial_state(self, batch_size):
        return torch.full((batch_size, 2), 0.1, dtype=F64)

    def forward(self, x, h):
        a, b = h.unbind(-1)
        h = torch.stack([1 - 1.4 * a * a + b, 0.3 * a], -1)
        return h, h


def test_of_a_linear_cell_they_are_the_logarithms_of_the_eigenvalues():
    torch.manual_seed(0)
    basis = torch.randn(3, 3, dtype=F64)
    matrix = basis @ torch.diag(torch.tensor([1.1, -0.7, 0.2], dtype=F64)) @ basis.inverse()
    found = lyapunov_exponents(Linear(matrix), torch.zeros(2, 300, 3, dtype=F64), transient=100)
    expected = torch.tensor([1.1, 0.7, 0.2], dtype=F64).log()
    torch.testing.assert_close(found.exponents, expected.expand(2, 3), rtol=0, atol=1e-9)


def test_of_a_map_whose_exponents_are_known():
    torch.manual_seed(0)
    found = lyapunov_exponents(Henon(), torch.zeros(1, 2000, 1, dtype=F64), transient=100)
    assert found.largest == pytest.approx(0.419, abs=0.04)
    # the map contracts every area by the same factor
    assert float(found.exponents.sum()) == pytest.approx(math.log(0.3), abs=1e-9)
    assert found.dimension == pytest.approx(1.26, abs=0.04)


def test_fewer_of_them_are_the_first():
    torch.manual_seed(0)
    cell, x = ElmanCell(4, 4, dtype=F64), torch.randn(1, 400, 4, dtype=F64)
    whole = lyapunov_exponents(cell, x, transient=50).exponents
    first = lyapunov_exponents(cell, x, count=2, transient=50).exponents
    torch.testing.assert_close(first, whole[:, :2], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("exponents", "dimension"), [([0.5, -1.0], 1.5), ([-1.0, -2.0], 0.0), ([1.0, 0.5], 2.0)]
)
def test_the_dimension_of_kaplan_and_yorke(exponents, dimension):
    assert LyapunovExponents(torch.tensor([exponents])).dimension == pytest.approx(dimension)


def test_table_and_picture():
    found = LyapunovExponents(torch.tensor([[0.5, -1.0], [0.7, -1.0]]))
    assert found.table().rows[0][:2] == [1, pytest.approx(0.6)]
    assert found.plot().axes[0].get_ylabel().startswith("Lyapunov exponent")


@pytest.mark.parametrize("options", [{"transient": 5}, {"count": 4}, {"count": 0}])
def test_what_cannot_be_measured_is_refused(options):
    with pytest.raises(ArgumentError, match="1 <= count <= S"):
        lyapunov_exponents(ElmanCell(2, 3), torch.zeros(1, 5, 2), **options)
