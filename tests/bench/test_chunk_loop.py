"""Chunks beside the loop over steps."""

from __future__ import annotations

import pytest

from ostinato.bench import chunk_kinds, chunk_loop
from ostinato.bench.chunk_loop import gains
from ostinato.core.errors import OstinatoError


def test_both_ways_have_a_gain():
    found = list(gains("gated-delta-product-2", 4, (2, 16, 3), 1))
    assert [gain.way for gain in found] == ["forward", "forward+backward"]
    assert all(gain.gain > 0 and gain.milliseconds > 0 for gain in found)
    assert found[0][:5] == ("gated-delta-product-2", 4, 2, 16, 3)


def test_what_is_wrong_is_not_timed(monkeypatch):
    monkeypatch.setattr(chunk_loop, "compare", None)
    monkeypatch.setattr(chunk_kinds, "_BOUND", 0.0)
    with pytest.raises(OstinatoError, match="off single steps"):
        next(gains("mamba2", 4, (1, 8, 1), 1))
