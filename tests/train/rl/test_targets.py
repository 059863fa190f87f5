"""The recurrences against loops that are written as the papers write them."""

from __future__ import annotations

import pytest
import torch

from ostinato.train.rl.targets import Trace, generalized_advantages, n_step_returns, v_trace

ROWS, STEPS, DISCOUNT = 5, 23, 0.9


@pytest.fixture
def trace():
    """Episodes that end and that are cut off, inside segments and at their borders."""
    torch.manual_seed(0)
    over = torch.rand(ROWS, STEPS) < 0.25
    over[0], over[1, -1], over[2, -1] = False, True, False
    joined = ~over
    joined[:, -1] = False
    ended = over & (torch.rand(ROWS, STEPS) < 0.5)
    ended[1, -1] = True
    beyond = torch.randn(ROWS, STEPS, dtype=torch.float64).masked_fill(joined | ended, 0)
    return Trace(torch.randn(ROWS, STEPS, dtype=torch.float64), joined, beyond)


@pytest.fixture
def values():
    return torch.randn(ROWS, STEPS, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_n_step_returns(trace):
    expected = torch.zeros(ROWS, STEPS, dtype=torch.float64)
    for row in range(ROWS):
        for step in reversed(range(STEPS)):
            going_on = trace.joined[row, step]
            ahead = expected[row, step + 1] if going_on else trace.beyond[row, step]
            expected[row, step] = trace.rewards[row, step] + DISCOUNT * ahead
    torch.testing.assert_close(n_step_returns(trace, DISCOUNT), expected)


@pytest.mark.parametrize("decay", [0.0, 0.8, 1.0])
def test_generalized_advantages(trace, values, decay):
    expected = torch.zeros(ROWS, STEPS, dtype=torch.float64)
    for row in range(ROWS):
        # Σ_k (γλ)^k δ_{t+k} over the rest of the trace
        for step in range(STEPS):
            factor, at = 1.0, step
            while True:
                going_on = bool(trace.joined[row, at])
                ahead = values[row, at + 1] if going_on else trace.beyond[row, at]
                delta = trace.rewards[row, at] + DISCOUNT * ahead - values[row, at]
                expected[row, step] += factor * delta
                if not going_on:
                    break
                factor, at = factor * DISCOUNT * decay, at + 1
    found = generalized_advantages(trace, values, DISCOUNT, decay)
    torch.testing.assert_close(found.advantages, expected)
    torch.testing.assert_close(found.values, values + expected)


@pytest.mark.parametrize(("decay", "clip_rho", "clip_c"), [(1.0, 1.0, 1.0), (0.7, 1.5, 0.9)])
def test_v_trace(trace, values, decay, clip_rho, clip_c):
    ratio = torch.exp(torch.randn(ROWS, STEPS, dtype=torch.float64) / 2)
    better, advantages = torch.empty_like(values), torch.empty_like(values)
    for row in range(ROWS):
        for step in reversed(range(STEPS)):
            going_on = bool(trace.joined[row, step])
            v = values[row, step]
            ahead = values[row, step + 1] if going_on else trace.beyond[row, step]
            ahead_better = better[row, step + 1] if going_on else ahead
            rho = min(clip_rho, float(ratio[row, step]))
            c = min(clip_c, float(ratio[row, step]))
            reward = trace.rewards[row, step]
            delta = rho * (reward + DISCOUNT * ahead - v)
            later = decay * c * (ahead_better - ahead)
            better[row, step] = v + delta + DISCOUNT * later
            advantages[row, step] = rho * (reward + DISCOUNT * ahead_better - v)
    found = v_trace(trace, values, ratio, DISCOUNT, decay, clip_rho, clip_c)
    torch.testing.assert_close(found.values, better)
    torch.testing.assert_close(found.advantages, advantages)


def test_on_policy_all_of_them_are_n_step_returns(trace, values):
    returns = n_step_returns(trace, DISCOUNT)
    gae = generalized_advantages(trace, values, DISCOUNT)
    vtrace = v_trace(trace, values, torch.ones_like(values), DISCOUNT)
    torch.testing.assert_close(gae.values, returns)
    torch.testing.assert_close(vtrace.values, returns)
    torch.testing.assert_close(vtrace.advantages, returns - values)


def test_an_end_hides_what_comes_after_it(trace, values):
    (row, step), *_ = (~trace.joined[:, :-1]).nonzero().tolist()
    changed = values.clone()
    changed[row, step + 1 :] += 100
    before, after = (generalized_advantages(trace, v, DISCOUNT, 0.9) for v in (values, changed))
    assert torch.equal(before.advantages[row, : step + 1], after.advantages[row, : step + 1])
    assert not torch.equal(before.advantages[row, step + 1 :], after.advantages[row, step + 1 :])
