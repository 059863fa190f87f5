"""Cases build two sides with the same weights, and are found by name."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ostinato.bench.cases import CASES, contest, pairs, select
from ostinato.bench.peers import corresponding
from ostinato.core.errors import ArgumentError
from ostinato.over.explain import explain


def test_both_sides_have_the_same_weights_every_time(tiny):
    first, again = (contest(tiny, "nn.RNN", tiny.sizes[0]) for _ in range(2))
    assert first.x.shape == first.cotangent.shape == (2, 3, 4)
    for other in (first.peer, again.ours):
        for a, b in zip(first.ours.parameters(), corresponding(other), strict=True):
            assert torch.equal(a, b)
    assert torch.equal(first.x, again.x)


def test_an_output_may_be_wider_than_the_state():
    case = CASES["linear-hgrn"]
    built = contest(case, "engine reference", replace(case.sizes[1], steps=3))
    assert built.x.shape == (8, 3, 64)
    assert built.cotangent.shape == built.peer(built.x)[0].shape == (8, 3, 128)


def test_building_leaves_the_random_state_alone(tiny):
    before = torch.random.get_rng_state()
    contest(tiny, "nn.RNN", tiny.sizes[0])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_slow_cases_are_measured_on_demand_only():
    fast = {case.name for case in select()}
    slow = {case.name for case in CASES.values() if case.slow}
    assert not fast & slow
    assert {case.name for case in select(slow=True)} == set(CASES) == fast | slow
    assert [case.name for case in select(["lstm"])] == ["lstm"]
    assert {case.name for case in select(["lstm"], slow=True)} == {"lstm"} | slow


def test_a_pattern_stands_for_several_cases():
    found = [case.name for case in select(["auto-*", "lstm"])]
    assert {"lstm", "auto-lstm", "auto-heads"} <= set(found)
    assert all(name == "lstm" or name.startswith("auto-") for name in found)


def test_auto_is_measured_against_every_engine_that_takes_the_cell():
    for case in select(["auto-*"], quick=True):
        size = case.sizes[0]
        built = contest(case, next(iter(case.peers)), replace(size, steps=2))
        (decision,) = explain(built.ours, built.x).decisions
        able = {f"engine {name}" for name, reason in decision.reasons.items() if reason is None}
        # Where torch's module applies, the loop is far behind both; Newton's method always is.
        assert able - set(case.peers) <= {"engine reference", "engine parallel"}
        assert set(case.peers) <= able


def test_an_unknown_case_is_answered_with_the_nearest():
    with pytest.raises(ArgumentError, match="'lstm'"):
        select(["lsmt"])


def test_quick_cases_are_short():
    for case, _, size in pairs(select(quick=True)):
        assert size.steps <= 64
        assert len(case.sizes) == 2
