"""Random steps on the fused engine: every one that it takes equals the reference."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import interpreted_engine

sys.path.insert(0, str(Path(__file__).parent))

from differential import TOLERANCE, compare

BLOCK = 10


@pytest.mark.parametrize("first", range(0, 300, BLOCK))
def test_random_steps(first):
    declined = 0
    for seed in range(first, first + BLOCK):
        worst, reason = compare(seed)
        declined += reason is not None
        assert reason is not None or worst <= TOLERANCE, f"seed {seed} differs by {worst:.2e}"
    assert declined <= BLOCK // 2


@pytest.fixture(scope="module")
def triton():
    """Kernels for devices, interpreted on the CPU."""
    pytest.importorskip("triton")
    interpreted_engine.install()
    yield "triton"
    interpreted_engine.remove()


@pytest.mark.parametrize(
    "first",
    [1000, 1010, 1020, *(pytest.param(n, marks=pytest.mark.slow) for n in range(0, 600, 10))],
)
def test_random_steps_on_kernels_for_devices(first, triton):
    for seed in range(first, first + BLOCK):
        worst, reason = compare(seed, triton)
        assert reason is None or "jumps" in reason
        assert reason or worst <= TOLERANCE, f"seed {seed} differs by {worst:.2e}"
