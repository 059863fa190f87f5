from __future__ import annotations

import pytest


@pytest.fixture
def quick_compile(monkeypatch):
    """Less optimisation where a test asks for numbers, not for speed."""
    monkeypatch.setenv("OSTINATO_CXXFLAGS", "-O1")
