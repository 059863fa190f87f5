from __future__ import annotations

import pytest

import interpreted_engine


@pytest.fixture(autouse=True, scope="package")
def interpreted():
    """The engine "triton" on CPU tensors; nothing here runs where Triton is not installed."""
    pytest.importorskip("triton")
    interpreted_engine.install()
    yield
    interpreted_engine.remove()
