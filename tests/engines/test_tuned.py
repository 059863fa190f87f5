"""The choice by measurement: made once, kept, and not made where it must not be."""

from __future__ import annotations

import json
import math

import pytest
import torch

from ostinato.core.errors import EngineError
from ostinato.engines import tuned
from ostinato.engines.tuned import FILE, choose, size_class, stored

CANDIDATES = {"first": 1, "second": 2, "third": 3}


@pytest.fixture(autouse=True)
def device(monkeypatch, tmp_path):
    """A device that is not there, and a cache of its own."""
    monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path))
    monkeypatch.setattr(tuned, "_device", lambda: "a device | triton 3.6")
    monkeypatch.setattr(tuned, "_KNOWN", {})
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    return tmp_path / FILE


class Clock:
    """Times of the candidates, and which were asked for."""

    def __init__(self, *times):
        self.times, self.asked = times, []

    def __call__(self, candidate):
        self.asked.append(candidate)
        time = self.times[candidate - 1]
        if isinstance(time, Exception):
            raise time
        return time


def test_the_fastest_is_found_once(device):
    clock = Clock(3.0, 1.0, 2.0)
    assert [choose(("key", 4), CANDIDATES, clock) for _ in range(3)] == [2, 2, 2]
    assert clock.asked == [1, 2, 3]
    (found,) = json.loads(device.read_text()).values()
    assert found == {"chosen": "second", "microseconds": {"first": 3, "second": 1, "third": 2}}
    assert stored() == {"a device": 1}


def test_another_process_reads_what_was_found():
    choose(("key",), CANDIDATES, Clock(3.0, 1.0, 2.0))
    tuned.forget()
    clock = Clock(1.0, 2.0, 3.0)
    assert choose(("key",), CANDIDATES, clock) == 2
    assert not clock.asked
    assert choose(("other key",), CANDIDATES, clock) == 1
    assert clock.asked == [1, 2, 3]


@pytest.mark.parametrize("key", [("key", 4, "b"), ("key", 5, "a"), ("yek", 4, "a")])
def test_every_part_of_a_key_counts(key):
    choose(("key", 4, "a"), CANDIDATES, Clock(3.0, 1.0, 2.0))
    assert choose(key, CANDIDATES, Clock(3.0, 2.0, 1.0)) == 3


@pytest.mark.parametrize(
    "damage", ["", "{", "[1]", '{"a device | triton 3.6 | key": {"chosen": "gone"}}',
               '{"a device | triton 3.6 | key": {"chosen": ["first"]}}', '{"a": 1}', "\0"]
)  # fmt: skip
def test_a_damaged_file_is_made_anew(device, damage):
    device.write_text(damage)
    assert choose(("key",), CANDIDATES, Clock(3.0, 1.0, 2.0)) == 2
    assert json.loads(device.read_text())["a device | triton 3.6 | key"]["chosen"] == "second"


@pytest.mark.parametrize("error", [RuntimeError("too many registers"), None])
def test_what_does_not_run_is_not_taken(error):
    from triton.runtime.errors import OutOfResources

    error = error or OutOfResources(300000, 232448, "shared memory")
    assert choose(("key",), CANDIDATES, Clock(error, math.inf, 2.0)) == 3
    with pytest.raises(EngineError, match="none of first, second, third runs on a device"):
        choose(("other",), CANDIDATES, Clock(error, error, math.inf))


def test_the_estimate_decides_where_nothing_may_be_measured(monkeypatch, device):
    clock = Clock(3.0, 1.0, 2.0)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    assert choose(("key",), CANDIDATES, clock) == 1
    assert choose(("key",), CANDIDATES, clock, "cpu") == 1
    assert choose(("key",), {"alone": 7}, clock) == 7
    assert not clock.asked
    assert not device.exists()


def test_what_is_known_serves_where_nothing_may_be_measured(monkeypatch):
    choose(("key",), CANDIDATES, Clock(3.0, 1.0, 2.0))
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    assert choose(("key",), CANDIDATES, Clock(1.0, 2.0, 3.0)) == 2


def test_results_that_must_be_the_same_do_not_depend_on_clocks(monkeypatch):
    clock = Clock(3.0, 1.0, 2.0)
    assert choose(("key",), CANDIDATES, clock) == 2
    with monkeypatch.context() as asked:
        asked.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
        assert choose(("key",), CANDIDATES, clock) == 1
    monkeypatch.setenv("OSTINATO_TUNE", "0")
    assert choose(("key",), CANDIDATES, clock) == 1


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(monkeypatch, device):
    monkeypatch.setenv("OSTINATO_CACHE", str(device))
    device.write_text("no folder")
    assert choose(("key",), CANDIDATES, Clock(3.0, 1.0, 2.0)) == 2
    assert stored() == {}


@pytest.mark.parametrize(("n", "expected"), [(0, 1), (1, 1), (2, 2), (3, 4), (64, 64), (65, 128)])
def test_size_class(n, expected):
    assert size_class(n) == expected


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no device")
def test_time_grows_with_work(monkeypatch):
    monkeypatch.undo()
    short, long = (torch.rand(n, n, device="cuda") for n in (256, 4096))
    assert tuned.timed(lambda: short @ short) < tuned.timed(lambda: long @ long)
