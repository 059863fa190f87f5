from __future__ import annotations

import pytest
import torch

from ostinato.analysis.spectral_error import spectral_error
from ostinato.analysis.wave_basis import wave_basis
from ostinato.cells.wave_lattice import WaveLatticeCell, lattice_matrix
from ostinato.core.errors import ShapeError
from ostinato.over.time import RNN
from ostinato.tasks.variable_binding import boundary


def hidden(binding, d, s, units=30):
    """A lattice in a basis that nobody knows: W and W_r."""
    torch.manual_seed(0)
    f = boundary(binding, d, s).double()
    basis = torch.linalg.qr(torch.randn(units, d * s).double())[0]
    return f, basis @ lattice_matrix(f) @ basis.T, basis[:, -d:].T, basis


@pytest.mark.parametrize("binding", ["repeat", "compose", (0b100010001, 5, 5)])
def test_the_lattice_is_recovered(binding):
    f, recurrent, readout, _ = hidden(binding, 3, 4)
    found = wave_basis(recurrent, readout, f)
    torch.testing.assert_close(found.matrix, found.expected, rtol=0, atol=1e-10)
    assert found.on_pattern == pytest.approx(1)
    assert found.off_pattern < 1e-10
    assert spectral_error(found.matrix, lattice_matrix(f)).error < 1e-7


def test_coordinates_that_carry_nothing_for_long_are_left_out():
    f, recurrent, readout, _ = hidden("compose", 3, 3)
    found = wave_basis(recurrent, readout, f)
    assert 0 < len(found.kept) < 9
    assert found.basis.shape == (30, len(found.kept))
    assert len(found.kept) == len(spectral_error(recurrent, lattice_matrix(f)).found)
    assert len(wave_basis(recurrent, readout, f, reduce=False).kept) == 9


def test_the_activity_of_the_network_is_that_of_the_lattice():
    f, recurrent, readout, basis = hidden("repeat", 2, 4)
    cell = WaveLatticeCell(2, 4).double()
    with torch.no_grad():
        cell.boundary.write.weight.copy_(f)
    x = torch.zeros(1, 12, 2).double()
    x[:, :4] = torch.randn(1, 4, 2)
    states = RNN(cell)(x, return_states=True)[2][0]
    found = wave_basis(recurrent, readout, f)
    activity = found.activity(states @ basis.T)
    torch.testing.assert_close(activity.activity, states.detach().view(12, 4, 2))
    assert found.plot().axes
    assert [row[1] for row in found.table().rows] == pytest.approx([2] * 4)


def test_matrices_that_do_not_fit_are_named():
    with pytest.raises(ShapeError, match=r"got \[4, 4\], \[2, 5\] and \[2, 6\]"):
        wave_basis(torch.eye(4), torch.zeros(2, 5), torch.zeros(2, 6))
