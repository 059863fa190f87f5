"""Wall time from idle to idle."""

from __future__ import annotations

import pytest
import torch

from ostinato.experiments import stopwatch
from ostinato.experiments.stopwatch import seconds


@pytest.fixture
def clock(monkeypatch):
    """A clock that work moves."""
    now = [0.0]
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: now[0])
    return now


def test_the_mean_of_passes_is_taken(clock):
    def work():
        clock[0] += 1 + clock[0]

    assert seconds(work) == 1
    clock[0] = 0.0
    assert seconds(work, passes=3) == pytest.approx(7 / 3)


def test_what_a_device_still_has_to_do_counts_with_those_who_asked_for_it(clock, monkeypatch):
    queued = [5.0]

    def synchronize(device):
        assert device == torch.device("cuda:1")
        clock[0] += queued.pop() if queued else 0

    monkeypatch.setattr(torch.accelerator, "synchronize", synchronize)
    assert seconds(lambda: queued.append(2.0), "cuda:1") == 2
