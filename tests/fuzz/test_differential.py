"""Random steps on the engines: every one that is taken equals the reference."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ostinato.engines.parallel import sequential
from ostinato.engines.parallel.device import scan

sys.path.insert(0, str(Path(__file__).parent))

from differential import TOLERANCE, compare, scan_on_kernels
from steps import RandomCell

BLOCK = 10


@pytest.mark.parametrize("first", range(0, 240, BLOCK))
def test_random_steps(first):
    declined = 0
    for seed in range(first, first + BLOCK):
        worst, reason = compare(seed)
        declined += reason is not None
        assert reason is not None or worst <= TOLERANCE, f"seed {seed} differs by {worst:.2e}"
    assert declined <= BLOCK // 2


@pytest.mark.parametrize("first", [0, pytest.param(400, marks=pytest.mark.slow)])
def test_random_steps_all_together(first):
    taken = 0
    for seed in range(first, first + 12):
        worst, reason = compare(seed, "parallel")
        taken += reason is None
        assert reason is not None or worst <= TOLERANCE, f"seed {seed} differs by {worst:.2e}"
    assert taken > 6


@pytest.mark.parametrize(
    ("first", "last"), [(0, 30), pytest.param(160, 300, marks=pytest.mark.slow)]
)
def test_random_steps_on_kernels_of_scans(first, last, monkeypatch):
    """Steps whose elements do not see one another, which these kernels are for."""
    pytest.importorskip("triton")
    monkeypatch.setattr(sequential, "compiled", sequential.compiled)
    monkeypatch.setattr(scan, "DEVICES", scan.DEVICES)
    scan_on_kernels()
    taken = []
    for seed in range(first, last):
        cell = RandomCell(seed)
        if cell.reach == "element":
            worst, reason = compare(seed, "parallel")
            taken += [cell.affine] if reason is None else []
            assert reason is not None or worst <= TOLERANCE, f"seed {seed} differs by {worst:.2e}"
    assert set(taken) == {True, False}


@pytest.mark.parametrize(
    "first",
    [0, 1010, *(pytest.param(n, marks=pytest.mark.slow) for n in range(10, 600, 10))],
)
def test_random_steps_on_kernels_for_devices(first, triton):
    for seed in range(first, first + BLOCK):
        worst, reason = compare(seed, triton)
        assert reason is None or "jumps" in reason
        assert reason or worst <= TOLERANCE, f"seed {seed} differs by {worst:.2e}"
