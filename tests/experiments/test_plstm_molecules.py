"""Molecules, in the experiment on pLSTM."""

from __future__ import annotations

import pytest

from ostinato.experiments import plstm_molecules
from ostinato.experiments.experiment import silent
from ostinato.experiments.plstm_molecules import Size


@pytest.fixture
def rings(tmp_path):
    """Rings of four atoms, and stars, of the same kinds of atoms."""
    shapes = [[(0, 1), (1, 2), (2, 3), (0, 3)], [(0, 1), (0, 2), (0, 3)]]
    pairs, bonds = list[str](), list[str]()
    for number in range(16):
        for a, b in shapes[number % 2]:
            first, second = 4 * number + a + 1, 4 * number + b + 1
            pairs += [f"{first}, {second}", f"{second}, {first}"]
            bonds += [str(number // 2 % 2)] * 2
    files = {
        "A": pairs,
        "edge_labels": bonds,
        "node_labels": [str(n % 4) for n in range(64)],
        "graph_indicator": [str(n // 4 + 1) for n in range(64)],
        "graph_labels": [str(n % 2) for n in range(16)],
    }
    for name, lines in files.items():
        (tmp_path / f"RINGS_{name}.txt").write_text("\n".join(lines))
    return str(tmp_path)


def test_bonds_tell_what_counts_of_atoms_do_not(rings):
    size = Size(updates=40, folds=2, batch=8, width=16, modes="P", rate=1e-2)
    found = plstm_molecules.measure(size, 1, silent, rings)
    assert set(found.values) == set(plstm_molecules.CLAIMS)
    assert found.values[plstm_molecules.RIGHT] == [100]
    assert found.values[plstm_molecules.STRUCTURE] == [50]
    assert [len(curve.runs[0]) for curve in found.panels[0].curves] == [40] * 3


def test_there_are_as_many_slots_as_bonds_at_an_atom(rings):
    assert plstm_molecules._slots(plstm_molecules.MoleculesTask(rings, folds=2)) == 3
