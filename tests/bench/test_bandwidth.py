"""Rates of scans beside a copy."""

from __future__ import annotations

import pytest

from ostinato.bench import bandwidth
from ostinato.bench.bandwidth import bandwidth_rows
from ostinato.bench.measure import MODES, Timing
from ostinato.core.errors import OstinatoError


@pytest.mark.parametrize("kind", bandwidth.KINDS)
def test_every_mode_at_every_size(kind, monkeypatch):
    monkeypatch.setattr(bandwidth, "SIZES", ((5, 2, 4),))
    rows = list(bandwidth_rows(kind, 1, 1))
    assert [(row.kind, row.steps, row.batch, row.width, row.mode) for row in rows] == [
        (kind, 5, 2, 4, mode) for mode in MODES
    ]
    assert all(row.share > 0 and row.copy > 0 for row in rows)


@pytest.mark.parametrize("kind", bandwidth.KINDS)
def test_a_scan_that_is_wrong_is_not_timed(kind, monkeypatch):
    monkeypatch.setattr(bandwidth, "SIZES", ((5, 2, 4),))
    monkeypatch.setattr(bandwidth, "compare", None)
    right = bandwidth.affine_scan
    monkeypatch.setattr(
        bandwidth, "affine_scan", lambda *args, **kwargs: 1.01 * right(*args, **kwargs)
    )
    with pytest.raises(OstinatoError, match=f"{kind} scan: its states miss their equation"):
        next(bandwidth_rows(kind, 1, 1))


@pytest.mark.parametrize(("kind", "forward", "training"), [("diagonal", 1.5, 4), ("block", 2, 5.5)])
def test_shares_count_the_bytes_that_have_to_be_touched(kind, forward, training, monkeypatch):
    """At the time of a copy, 2 b: forward A, b and h; backward A, h, g and two gradients."""
    monkeypatch.setattr(bandwidth, "SIZES", ((1000, 2, 50),))
    monkeypatch.setattr(bandwidth, "_COPIED", 1000 * 100 * 4)
    monkeypatch.setattr(bandwidth, "compare", lambda *sides: Timing(1.0, (1, 1), 1.0, 0.1))
    shares = [row.share for row in bandwidth_rows(kind, 1, 1)]
    assert shares == [forward, training]
    assert next(bandwidth_rows(kind, 1, 1)).copy == pytest.approx(2 * 1000 * 100 * 4 / 1e5)
