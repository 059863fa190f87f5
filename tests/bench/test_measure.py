"""Timing: in turn, at known durations, and in the mode that was asked for."""

from __future__ import annotations

import pytest
import torch

from ostinato.bench.cases import contest
from ostinato.bench.measure import MODES, awaited, compare, time_contest, work
from ostinato.experiments import stopwatch


def test_a_device_is_waited_for(monkeypatch):
    log = []
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda device: log.append("done"))
    side = lambda: log.append("queued")  # noqa: E731
    assert awaited(side, torch.device("cpu")) is side
    awaited(side, torch.device("cuda"))()
    assert log == ["queued", "done"]


@pytest.fixture
def clock(monkeypatch):
    """A clock that only work moves; returns the work and what was done."""
    now, log = [0.0], []
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: now[0])

    def taking(name, *seconds):
        left = list(seconds)

        def side():
            log.append(name)
            now[0] += left.pop(0) if len(left) > 1 else left[0]

        return side

    return taking, log


def test_the_ratio_is_that_of_the_peer_to_ours(clock):
    taking, _ = clock
    timing = compare(taking("ours", 0.1), taking("peer", 0.3), repeats=5)
    assert timing.ratio == pytest.approx(3)
    assert timing.spread == pytest.approx((3, 3))
    assert (timing.ours_ms, timing.peer_ms) == pytest.approx((100, 300))


def test_the_first_pass_is_not_counted(clock):
    taking, _ = clock
    assert compare(taking("ours", 50, 0.1), taking("peer", 0.1), 3).ratio == pytest.approx(1)


def test_one_slow_sample_does_not_move_the_medians(clock):
    taking, _ = clock
    timing = compare(taking("ours", 0.1, 0.1, 9.0, 0.1), taking("peer", 0.2), 5)
    assert timing.ratio == pytest.approx(2)
    assert timing.ours_ms == pytest.approx(100)


def test_the_sides_alternate(clock):
    taking, log = clock
    compare(taking("ours", 0.1), taking("peer", 0.1), 4)
    assert log[4:] == ["peer", "ours", "ours", "peer", "peer", "ours", "ours", "peer"]


def test_short_passes_are_repeated_until_they_can_be_timed(clock):
    taking, log = clock
    timing = compare(taking("ours", 0.002), taking("peer", 0.1), 1)
    assert log.count("ours") == 2 + 10
    assert timing.spread == pytest.approx((50, 50))


def test_modes_differ_in_gradient_and_in_the_state_of_the_module(tiny):
    built = contest(tiny, "nn.RNN", tiny.sizes[0])
    for module in (built.ours, built.peer):
        forward = work(built, module, "forward")
        assert not module.training
        assert not forward()[0].requires_grad
        gradients = work(built, module, "forward+backward")()
        assert module.training
        assert [g.shape for g in gradients] == [
            built.x.shape,
            *(p.shape for p in built.ours.parameters()),
        ]
        assert all(p.grad is None for p in module.parameters())


@pytest.mark.parametrize("mode", MODES)
def test_a_contest_is_timed(tiny, mode):
    timing = time_contest(contest(tiny, "nn.RNN", tiny.sizes[0]), mode, repeats=2)
    assert timing.ratio > 0
    assert timing.spread[0] <= timing.ratio <= timing.spread[1]
    assert torch.is_grad_enabled()
