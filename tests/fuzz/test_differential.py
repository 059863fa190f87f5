"""Random steps on the fused engine: every one that it takes equals the reference."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

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
