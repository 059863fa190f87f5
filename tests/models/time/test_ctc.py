from __future__ import annotations

import math
from itertools import product

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.models.time.ctc import (
    best_path,
    collapse,
    ctc_loss,
    edit_distance,
    prefix_beam_search,
)

F64 = torch.float64


def by_brute_force(logits):
    """p of every string, added up over all paths of logits (T, K)."""
    p, found = logits.softmax(-1), {}
    for path in product(range(logits.shape[1]), repeat=len(logits)):
        chance = math.prod(float(p[t, k]) for t, k in enumerate(path))
        string = tuple(collapse(path))
        found[string] = found.get(string, 0) + chance
    return found


def padded(string, size):
    return torch.tensor([[*string, *[-1] * (size - len(string))]])


def test_collapse():
    assert collapse([0, 1, 1, 0, 1, 2, 2, 0]) == [1, 1, 2]
    assert collapse([3, 3, 1], blank=3) == [1]
    assert collapse([]) == []


@pytest.mark.parametrize("steps", [1, 3, 5])
def test_the_loss_is_that_of_all_paths_and_strings_sum_to_one(steps):
    logits = torch.randn(steps, 3, dtype=F64)
    found = by_brute_force(logits)
    assert sum(found.values()) == pytest.approx(1)
    for string, chance in found.items():
        loss = ctc_loss(logits[None], padded(string, steps))
        assert float(loss) == pytest.approx(-math.log(chance), abs=1e-9)


def test_the_gradient_is_what_is_said_less_what_the_paths_of_the_string_say():
    """y − (1/p) Σ_{s: l'_s = k} α β / y, which is the share of paths that are at k at t."""
    logits = torch.randn(4, 3, dtype=F64, requires_grad=True)
    string = (1, 1)
    (gradient,) = torch.autograd.grad(ctc_loss(logits[None], padded(string, 4)).sum(), logits)
    p, at = logits.detach().softmax(-1), torch.zeros(4, 3, dtype=F64)
    for path in product(range(3), repeat=4):
        if tuple(collapse(path)) == string:
            chance = math.prod(float(p[t, k]) for t, k in enumerate(path))
            at[torch.arange(4), torch.tensor(path)] += chance
    torch.testing.assert_close(at.sum(1), at[0].sum().expand(4))
    torch.testing.assert_close(gradient, p - at / at[0].sum())


def test_a_string_that_is_too_long_is_impossible():
    logits = torch.randn(3, 4, 3)
    targets = torch.tensor([[1, 1, -1], [1, 1, 1], [1, 2, 1]])
    lengths = torch.tensor([3, 4, 2])
    loss = ctc_loss(logits, targets, lengths)
    assert bool(loss[0].isfinite())
    assert bool((loss[1:] == math.inf).all())


def test_padding_changes_nothing():
    logits, targets = torch.randn(2, 6, 4), torch.tensor([[1, 2, -1], [3, -1, -1]])
    lengths = torch.tensor([6, 3])
    loss = ctc_loss(logits, targets, lengths)
    alone = ctc_loss(logits[1:, :3], targets[1:, :1])
    torch.testing.assert_close(loss[1:], alone)
    assert best_path(logits, lengths)[1] == best_path(logits[1:, :3])[0]


def test_a_search_that_keeps_all_prefixes_is_exact():
    logits = torch.randn(5, 3, dtype=F64)
    found, expected = dict(prefix_beam_search(logits, 1000)), by_brute_force(logits)
    assert set(found) == set(expected)
    for string, log in found.items():
        assert math.exp(log) == pytest.approx(expected[string])
    best = max(expected, key=expected.get)
    assert prefix_beam_search(logits, 1000)[0][0] == best


def test_a_narrow_search_gives_lower_bounds():
    logits = torch.randn(6, 3, dtype=F64)
    exact = by_brute_force(logits)
    for string, log in prefix_beam_search(logits, 3):
        assert math.exp(log) <= exact[string] * (1 + 1e-9)


def test_the_likeliest_string_need_not_be_that_of_the_likeliest_path():
    """Blank is likelier at each step, and "1" in three paths out of four."""
    logits = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()
    assert best_path(logits[None]) == [[]]
    assert prefix_beam_search(logits)[0] == ((1,), pytest.approx(math.log(0.64)))


def test_a_language_model_weighs_continuations():
    logits = torch.tensor([[0.1, 0.5, 0.4]]).log()
    assert prefix_beam_search(logits)[0][0] == (1,)

    def never_one(prefix, symbol):
        return -50.0 if symbol == 1 else 0.0

    assert prefix_beam_search(logits, language_model=never_one)[0][0] == (2,)


def test_edit_distance():
    assert edit_distance([1, 2, 3], [1, 2, 3]) == 0
    assert edit_distance([], [1, 2]) == edit_distance([1, 2], []) == 2
    assert edit_distance([1, 2, 3, 4], [1, 3, 5]) == 2


def test_the_search_takes_one_sequence():
    with pytest.raises(ArgumentError, match=r"got \(1, 2, 3\) and 10"):
        prefix_beam_search(torch.zeros(1, 2, 3))
