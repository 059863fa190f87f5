from __future__ import annotations

import pytest
import torch

from ostinato.engines.fused.toolchain import find_compiler
from ostinato.engines.parallel import sequential
from ostinato.engines.parallel.affine import prepare
from ostinato.engines.parallel.log_depth import log_depth

from .loop import SHAPES, assert_near, random

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="needs a C++ compiler")


@pytest.mark.parametrize("units", [1, 15, 16, 17, 70_000])
@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("reverse", [False, True])
def test_groups_of_any_size_fill_every_place(kind, units, reverse):
    """More units than one group or one run holds; room is filled with NaN first."""
    batch = max(1, units // 5)
    prepared = prepare(*random(kind, 2, batch), kind, reverse, None, None)
    out = sequential.room(prepared[0].form, prepared[2]).fill_(torch.nan)
    sequential.run(*prepared, out)
    assert_near([out], [log_depth(*prepared)])


def outcome_of(kind, reverse, steps, units, masked=True, planes=False):
    """What a scan computes, with gradients of A, as a function; NaN is 7."""
    a, b, init = random(kind, steps, units)
    if planes:
        a, b = (in_planes(x, x.dim() - 3) for x in (a, b))
    masks = torch.rand(2, steps, units) < torch.tensor([0.9, 0.1])[:, None, None]
    course, *numbers = prepare(a, b, init, kind, reverse, *(masks if masked else (None, None)))
    before = torch.randn_like(numbers[1])

    def outcome():
        out = sequential.room(course.form, numbers[1]).fill_(torch.nan)
        grad = sequential.room_for_gradient(course.form, numbers[0], out)
        results = [out] if grad is None else [out, grad.fill_(torch.nan)]
        sequential.run(course, *numbers, out, None if grad is None else before, grad)
        return [result.nan_to_num(7.0) for result in results]

    return outcome


def in_planes(x, axes):
    """The same numbers, with every channel of the units a plane of its own."""
    first, last = tuple(range(axes)), tuple(range(x.dim() - axes, x.dim()))
    return x.movedim(last, first).contiguous().movedim(first, last)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("kind", "planes"), [*((kind, False) for kind in SHAPES), ("block", True)])
def test_results_past_the_caches_are_the_same(kind, planes, masked, reverse, monkeypatch):
    """Bit for bit, in runs that begin and end anywhere in a line of the cache."""
    for units in (1, 7, 150):
        outcome = outcome_of(kind, reverse, 6, units, masked, planes)
        common = outcome()
        with monkeypatch.context() as patch:
            patch.setattr(sequential, "_PAST", 0)
            patch.setattr(sequential, "_LONG", 0)
            patch.setattr(sequential, "_NARROW", 2**40)
            assert all(map(torch.equal, outcome(), common))


@pytest.fixture
def two_threads():
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


@pytest.mark.parametrize("own_pool", [False, True])
@pytest.mark.parametrize("window", [1, 3, 100])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", SHAPES)
def test_threads_that_take_turns_compute_the_same(
    kind, reverse, window, own_pool, two_threads, monkeypatch
):
    """Bit for bit, with masks, gradients of A and more threads than cores."""
    outcome = outcome_of(kind, reverse, 50, 7)
    alone = outcome()
    monkeypatch.setattr(sequential, "_window", lambda *about: window)
    monkeypatch.setattr(sequential, "_PAST", 0 if window == 3 else 2**40)
    monkeypatch.setattr(sequential, "_LONG", 0)
    monkeypatch.setattr(sequential, "_NARROW", 2**40)
    if own_pool:
        monkeypatch.setattr("ostinato.engines.fused.threads.openmp", lambda: None)
    torch.set_num_threads(5)
    for _ in range(3):
        assert all(map(torch.equal, outcome(), alone))


def test_turns_are_taken_where_there_are_few_units_and_many_numbers(two_threads):
    def window(steps, units, size=1, width=4, gradient=False):
        problem = sequential._Problem(steps=steps, units=units, all=units, size=size)
        return sequential._window(problem, width, gradient)

    assert window(100_000, 64) == 2**20 // (4 * 3 * 64)
    assert window(100_000, 64, gradient=True) == 2**20 // (4 * 6 * 64)
    assert window(500, 1024) == 500 // 8
    assert window(1000, 64) == 0
    assert window(100_000, 8192) > 0
    assert window(100_000, 8193) == window(100_000, 8192, width=8) == window(10**5, 4097, 2) == 0
    torch.set_num_threads(1)
    assert window(100_000, 64) == 0


def test_which_tensors_have_a_loop(monkeypatch):
    assert sequential.compiled(torch.empty(2))
    assert not sequential.compiled(torch.empty(2, dtype=torch.bfloat16))
    assert not sequential.compiled(torch.empty(2, device="meta"))
    monkeypatch.setattr(sequential, "find_compiler", lambda: None)
    assert not sequential.compiled(torch.empty(2))


def test_states_lie_like_b():
    form = prepare(*random("block", 3), "block", False, None, None)[0].form
    planes = torch.empty(2, 5, 3, 8).permute(1, 2, 3, 0)
    assert sequential.room(form, planes).stride() == planes.stride()
    assert sequential.room(form, torch.empty(5, 3, 8, 4)[..., ::2]).is_contiguous()
    assert sequential.room(form, torch.empty(5, 3, 8, 9)).is_contiguous()
