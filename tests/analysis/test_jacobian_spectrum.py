import torch

from ostinato.analysis.derivative import jacobian
from ostinato.analysis.jacobian_spectrum import jacobian_spectrum
from ostinato.cells.elman import ElmanCell

F64 = torch.float64


def test_it_is_that_of_the_jacobians_along_the_trajectory():
    torch.manual_seed(0)
    cell, x = ElmanCell(2, 3, dtype=F64), torch.randn(2, 4, 2, dtype=F64)
    found, state = jacobian_spectrum(cell, x), cell.initial_state(2)
    for t in range(4):
        state = cell(x[:, t], state)[1]
        j = jacobian(cell, x[:, t], state)[1]
        moduli = torch.linalg.eigvals(j).abs().sort(-1, descending=True).values
        torch.testing.assert_close(found.eigenvalues[:, t].abs(), moduli)
        norm = torch.linalg.matrix_norm(j, 2)
        torch.testing.assert_close(found.singular_values[:, t, 0], norm)


def test_a_rotation_has_modulus_one_and_its_angle():
    cell = ElmanCell(1, 2, dtype=F64)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.recur.weight.copy_(torch.tensor([[0.0, -1.0], [1.0, 0.0]]))
    found = jacobian_spectrum(cell, torch.zeros(1, 3, 1, dtype=F64))
    assert found.table().rows == [[1, 1.0, 0.5, 1.0], [2, 1.0, 0.5, 1.0]]
    assert found.plot().axes[0].get_xlabel() == "real part"
