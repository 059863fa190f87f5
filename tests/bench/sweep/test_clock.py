"""Time within a limit, and memory."""

from __future__ import annotations

import pytest
import torch

from ostinato.bench.sweep import clock
from ostinato.bench.sweep.clock import median_ms, megahertz, peak_bytes

CPU = torch.device("cpu")


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
    assert median_ms(work, CPU, repeats=3, limit=100.0) == pytest.approx(100)
    assert len(done) == 4


def test_no_further_pass_begins_after_the_limit(taking):
    work, done = taking(1.0)
    assert median_ms(work, CPU, repeats=100, limit=2.5) == pytest.approx(1000)
    assert len(done) == 1 + 3
    work, done = taking(10.0)
    assert median_ms(work, CPU, repeats=100, limit=0.0) == pytest.approx(10000)


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


def test_a_device_times_itself_with_an_empty_cache(monkeypatch):
    did = []

    class Event:
        def __init__(self, enable_timing):
            self.synchronize = lambda: did.append("awaited")

        def record(self):
            did.append("mark")

        def elapsed_time(self, other):
            return float(len(did))

    class Other:
        def zero_(self):
            did.append("flush")

    properties = type("Properties", (), {"L2_cache_size": 8})()
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch, "empty", lambda *size, **more: Other())
    found = median_ms(lambda: did.append("pass"), torch.device("cuda"), repeats=1, limit=1.0)
    assert did == ["pass", "flush", "mark", "pass", "mark", "awaited"]
    assert found == 6.0


@pytest.mark.parametrize(("told", "found"), [("1980\n", 1980.0), ("[N/A]", None)])
def test_the_clock_is_read_where_somebody_tells(monkeypatch, told, found):
    run = type("Done", (), {"stdout": told})
    monkeypatch.setattr(clock.subprocess, "run", lambda *about, **more: run)
    assert megahertz(torch.device("cuda")) == found
    assert megahertz(CPU) is None
