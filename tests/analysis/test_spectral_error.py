from __future__ import annotations

import math

import pytest
import torch

from ostinato.analysis.spectral_error import spectral_error
from ostinato.cells.wave_lattice import lattice_matrix


def turn(angle, modulus=1.0):
    c, s = modulus * math.cos(angle), modulus * math.sin(angle)
    return torch.tensor([[c, -s], [s, c]], dtype=torch.float64)


def test_a_change_of_basis_changes_nothing():
    torch.manual_seed(0)
    phi = lattice_matrix(torch.eye(3, 9, dtype=torch.float64))
    basis = torch.randn(20, 9, dtype=torch.float64)
    found = spectral_error(basis @ phi @ torch.linalg.pinv(basis), phi)
    assert found.unmatched == 0
    assert len(found.angles) == 9
    assert found.error < 1e-7


def test_the_angle_counts_and_not_the_modulus():
    found = spectral_error(turn(1.02, 1.3), turn(1.0))
    assert found.angles.tolist() == pytest.approx([0.02, 0.02])
    assert found.plot().axes


def test_pairs_are_the_best_there_are():
    a = torch.block_diag(turn(0.5), turn(1.0))
    b = torch.block_diag(turn(1.1), turn(0.9))
    assert spectral_error(a, b).error == pytest.approx((0.4 + 0.1) / 2)


def test_eigenvalues_without_a_partner_are_counted():
    found = spectral_error(torch.block_diag(turn(1.0), turn(2.0, 0.5)), torch.eye(3))
    assert len(found.found) == 2
    assert found.unmatched == 1
    assert found.error == pytest.approx(1.0)
    assert len(found.table().rows) == 2
    assert math.isnan(spectral_error(torch.zeros(2, 2), torch.eye(2)).error)
