"""Rates of a state: one number or a tree."""

from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.wrap.rates import check_rate, is_continuous, spread, state_rates

STATE = {"h": torch.zeros(2, 3), "more": (torch.zeros(2, 1), torch.zeros(2, dtype=torch.int64))}


def test_one_number_stands_for_every_floating_point_leaf() -> None:
    assert state_rates(0.5, STATE, "rate") == {"h": 0.5, "more": (0.5, 0.0)}


def test_a_tree_gives_each_leaf_its_own() -> None:
    rates = {"h": 0.1, "more": (0.2, 0.3)}
    assert state_rates(rates, STATE, "rate") == {"h": 0.1, "more": (0.2, 0.0)}


def test_spreading_keeps_a_tensor_whole() -> None:
    rate = torch.ones(3)
    assert spread(rate, STATE, "rate")["more"][0] is rate


@pytest.mark.parametrize("rate", [(0.1, 0.2), {"h": 0.1}, [0.1], "0.1"])
def test_a_tree_unlike_the_state_is_rejected(rate: object) -> None:
    with pytest.raises(ArgumentError, match="rate must be one number, or a tree"):
        state_rates(rate, STATE, "rate")


def test_the_end_of_the_interval_is_open_or_closed() -> None:
    check_rate(1, "rate")
    check_rate(0, "rate", below_one=True)
    with pytest.raises(ArgumentError, match=r"rate must be a number in \[0, 1\); got 1"):
        check_rate(1, "rate", below_one=True)


def test_complex_leaves_count_and_flags_do_not() -> None:
    assert is_continuous(torch.zeros(1, dtype=torch.complex64))
    assert not is_continuous(torch.zeros(1, dtype=torch.bool))
