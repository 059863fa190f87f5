from __future__ import annotations

import pytest

from ostinato.engines.parallel import sequential
from ostinato.engines.parallel.device import chunks, scan


@pytest.fixture
def interpreted(monkeypatch):
    """Kernels for devices on CPU tensors, by Triton's interpreter, in memory full of NaN."""
    pytest.importorskip("triton")
    monkeypatch.setattr(sequential, "compiled", lambda b: False)
    monkeypatch.setattr(scan, "DEVICES", ["cpu"])
    room, gradient = scan.room, scan.room_for_gradient
    monkeypatch.setattr(scan, "room", lambda *given: room(*given).fill_(float("nan")))

    def poisoned(*given):
        found = gradient(*given)
        return found if found is None else found.fill_(float("nan"))

    monkeypatch.setattr(scan, "room_for_gradient", poisoned)


@pytest.fixture
def in_parts(monkeypatch):
    """Cut the time into parts of some steps."""

    def cut(size):
        monkeypatch.setattr(chunks, "length", lambda steps, parts: min(steps, size))

    return cut
