import pytest
import torch

from ostinato.analysis.fixed_points import fixed_points
from ostinato.cells.elman import ElmanCell
from ostinato.cells.lstm import LSTMCell
from ostinato.core.errors import ArgumentError

F64 = torch.float64


def memory():
    """h = tanh(2 h): two stable points at ±0.9575, and 0 between them, unstable."""
    cell = ElmanCell(1, 1, bias=False, dtype=F64)
    with torch.no_grad():
        cell.recur.weight.fill_(2.0)
        cell.input.weight.fill_(1.0)
    return cell


def test_the_three_points_of_one_bit():
    torch.manual_seed(0)
    found = fixed_points(memory(), torch.randn(20, 10, 1, dtype=F64))
    order = found.points[:, 0].argsort()
    expected = torch.tensor([-0.9575, 0.0, 0.9575], dtype=F64)
    torch.testing.assert_close(found.points[order, 0], expected, rtol=0, atol=1e-4)
    assert found.stable[order].tolist() == [True, False, True]
    torch.testing.assert_close(found.eigenvalues[order[1], 0].real, expected.new_tensor(2.0))
    assert found.speeds.max() < 1e-9
    assert int(found.basins.sum()) <= 200
    assert len(found.table().rows) == 3
    assert found.plot().axes[0].get_legend() is not None


def test_an_input_moves_them():
    found = fixed_points(
        memory(), torch.randn(5, 10, 1, dtype=F64), input=torch.tensor([3.0], dtype=F64)
    )
    (point,) = found.points
    torch.testing.assert_close(torch.tanh(2 * point + 3), point)


def test_a_state_of_several_leaves():
    torch.manual_seed(0)
    cell, x = LSTMCell(2, 4, dtype=F64), torch.randn(4, 8, 2, dtype=F64)
    found = fixed_points(cell, x)
    assert len(found.points) == 1
    h, c = found.points.split(4, 1)
    new_h, new_c = cell(torch.zeros(1, 2, dtype=F64), (h, c))[1]
    torch.testing.assert_close(torch.cat([new_h, new_c], 1), found.points, rtol=0, atol=1e-8)


def test_a_cell_without_fixed_points_has_none():
    cell = ElmanCell(1, 1, activation="relu", dtype=F64)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.fill_(1.0)
    found = fixed_points(cell, torch.randn(2, 5, 1, dtype=F64))
    assert found.points.shape == (0, 1)
    assert found.table().rows == []
    found.plot()


def test_no_states_to_start_from():
    with pytest.raises(ArgumentError, match="needs states to start from"):
        fixed_points(memory(), torch.zeros(0, 3, 1, dtype=F64))
