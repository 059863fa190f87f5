from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.train.rl.bootstrap import bootstrap_interval


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.slow
def test_the_interval_is_that_of_scipy():
    scipy = pytest.importorskip("scipy.stats")
    values = normal(80)
    ours = bootstrap_interval(values, 0.9, draws=4000)
    theirs = scipy.bootstrap(
        (values.numpy(),), lambda x, axis: x.mean(axis), confidence_level=0.9,
        n_resamples=4000, method="percentile", rng=0,
    ).confidence_interval  # fmt: skip
    # A 5 % quantile of 4000 normal draws is known to 0.033 standard deviations; 4 · √2 of that.
    bound = 0.19 * values.std() / 80**0.5
    assert abs(ours.low - theirs.low) < bound
    assert abs(ours.high - theirs.high) < bound


def test_ninety_of_a_hundred_intervals_hold_the_mean():
    held = 0
    for seed in range(100):
        low, high = bootstrap_interval(3 + normal(50, seed=seed), 0.9, draws=200)
        held += low <= 3 <= high
    assert 80 <= held <= 97


def test_groups_that_differ_widen_the_interval():
    within = normal(5, 200)
    between = 10 * normal(5, 1, seed=1) + within
    alike = bootstrap_interval(between.flatten(), draws=400)
    grouped = bootstrap_interval(between, draws=400)
    spread = between.mean(1).std(correction=0) / 5**0.5
    assert grouped.high - grouped.low > 5 * (alike.high - alike.low)
    assert grouped.high - grouped.low == pytest.approx(2 * 1.96 * float(spread), rel=0.25)


def test_equal_values_leave_no_doubt():
    assert bootstrap_interval(torch.full((3, 4), 2.5)) == (2.5, 2.5)


@pytest.mark.parametrize(
    ("values", "confidence"),
    [(torch.empty(0), 0.9), (torch.ones(3), 1.0), (torch.tensor(1.0), 0.5)],
)
def test_what_has_no_interval(values, confidence):
    with pytest.raises(ArgumentError, match="needs values"):
        bootstrap_interval(values, confidence)
