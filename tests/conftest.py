"""Every test starts from one seed, and from one thread, so that results do not depend on order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Compiled kernels of tests lie apart from those of the user.
os.environ.setdefault("OSTINATO_CACHE", str(Path(__file__).parent.parent / ".kernels"))


@pytest.fixture(autouse=True)
def seed():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture
def quick_compile(monkeypatch):
    """Less optimisation where a test asks for numbers, not for speed."""
    monkeypatch.setenv("OSTINATO_CXXFLAGS", "-O1")
