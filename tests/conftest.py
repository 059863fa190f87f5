"""Every test starts from one seed, and from one thread, so that results do not depend on order."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

# Compiled kernels of tests lie apart from those of the user.
os.environ.setdefault("OSTINATO_CACHE", str(Path(__file__).parent.parent / ".kernels"))
# Without a device Triton's kernels are interpreted; it asks for this when it is imported.
with suppress(ImportError):
    import torch

    if not torch.cuda.is_available():
        os.environ.setdefault("TRITON_INTERPRET", "1")


@pytest.fixture(autouse=True)
def seed():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture
def quick_compile(monkeypatch):
    """Less optimisation where a test asks for numbers, not for speed."""
    monkeypatch.setenv("OSTINATO_CXXFLAGS", "-O1")


@pytest.fixture(scope="module")
def triton():
    """The name of the engine that interprets kernels for devices on CPU tensors."""
    pytest.importorskip("triton")
    import interpreted_engine

    interpreted_engine.install()
    yield "triton"
    interpreted_engine.remove()
