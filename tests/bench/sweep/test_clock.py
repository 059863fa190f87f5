"""Time within a limit, and memory."""

from __future__ import annotations

import pytest
import torch

from ostinato.bench.sweep import clock
from ostinato.bench.sweep.clock import median_ms, peak_bytes


@pytest.fixture
def taking(monkeypatch):
    """Passes that move the clock by given seconds."""
    now = [0.0]
    monkeypatch.setattr(clock.time, "perf_counter", lambda: now[0])

    def work(*seconds):
        left = list(seconds)

        def one():
            now[0] += left.pop(0) if len(left) > 1 else left[0]
            done.append(1)

        done = []
        return one, done

    return work


def test_the_first_pass_is_not_counted_and_the_median_is_taken(taking):
    work, done = taking(50.0, 0.1, 9.0, 0.1)
    assert median_ms(work, repeats=3, limit=100.0) == pytest.approx(100)
    assert len(done) == 4


def test_no_further_pass_begins_after_the_limit(taking):
    work, done = taking(1.0)
    assert median_ms(work, repeats=100, limit=2.5) == pytest.approx(1000)
    assert len(done) == 1 + 3
    work, done = taking(10.0)
    assert median_ms(work, repeats=100, limit=0.0) == pytest.approx(10000)


@pytest.mark.skipif(not clock._RESET.exists(), reason="the system does not tell")
def test_memory_that_is_given_back_is_seen():
    kept = []
    large = peak_bytes(lambda: kept.append(torch.ones(2**24).sum()), torch.device("cpu"))
    # The kernel counts pages in lots.
    assert 0.9 * 2**26 <= large < 2**28
    assert peak_bytes(lambda: None, torch.device("cpu")) < 2**24


def test_nobody_tells(monkeypatch, tmp_path):
    monkeypatch.setattr(clock, "_RESET", tmp_path / "absent")
    assert peak_bytes(lambda: None, torch.device("cpu")) is None
