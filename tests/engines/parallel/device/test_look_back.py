"""Parts of the time in one pass, interpreted: programs one after another, and one alone."""

from __future__ import annotations

import pytest
import torch

from ostinato.engines.parallel.affine import prepare
from ostinato.engines.parallel.device import look_back, scan

from ..loop import assert_near, loop, masks
from .test_scan import COMPLEX, check, drawn

pytestmark = pytest.mark.usefixtures("interpreted", "waiting")


@pytest.fixture
def waiting(monkeypatch):
    """Programs may wait for one another."""
    monkeypatch.setenv("OSTINATO_PERSISTENT", "1")


@pytest.fixture
def launched(monkeypatch):
    """The names of kernels that run."""
    found, function = [], scan.function

    def noted(kernel):
        found.append(kernel.name)
        return function(kernel)

    monkeypatch.setattr(scan, "function", noted)
    return found


class OneProgram:
    """A kernel of which one part of the time is launched."""

    def __init__(self, kernel):
        self.kernel = kernel

    def __getitem__(self, grid):
        return self.kernel[grid[0], 1]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("kind", "size"), [("diagonal", 1), ("scaled", 3), ("block", 2)])
def test_equals_the_loop_in_one_kernel_each_way(kind, size, reverse, in_parts, launched):
    in_parts(4)
    check(drawn(kind, 11, 2, 3, size), kind=kind, reverse=reverse)
    assert launched == ["look_back"] * 2


def test_padding_complex_numbers_and_an_a_that_stays(in_parts):
    in_parts(3)
    check(drawn("block", 7, 3, 2, 2, COMPLEX), kind="block", **masks("lengths", 7))
    a, b, init = drawn("block", 7, 1, 2, 2)
    check((a[:1], b, init), kind="block")


def test_cuts_take_three_passes(in_parts, launched):
    in_parts(4)
    check(drawn("diagonal", 9, 3, 2, 1), kind="diagonal", **masks("resets", 9))
    assert "look_back" not in launched


def test_without_being_asked_for_no_program_waits(in_parts, launched, monkeypatch):
    monkeypatch.delenv("OSTINATO_PERSISTENT")
    in_parts(4)
    check(drawn("diagonal", 9, 3, 2, 1), kind="diagonal")
    assert "look_back" not in launched


@pytest.mark.parametrize("solved", [0, 1, 4])
def test_it_looks_back_over_parts_that_are_only_joined(solved, monkeypatch):
    """The last of five programs begins when part `solved` is the last that has found its state.

    What it must not read is NaN: states of later parts, what earlier ones were joined to.
    """
    size, last = 3, 4
    course, a, b, init = prepare(*drawn("block", 14, 2, 3, 2), "block", False, None, None)
    expected = loop(a, b, init, kind="block")
    room = scan._published(course, b, init, size)
    products, ends, states = room.values()
    scan._launch(course, size, {"a": a, "b": b, "product": products, "last": ends})
    for part in range(last):
        states[1 + part] = expected[(part + 1) * size - 1] if part < solved else torch.nan
        if part < solved:
            products[part], ends[part] = torch.nan, torch.nan
    given, function = scan._flags, scan.function

    def flags(like, tiles, parts):
        found = given(like, tiles, parts)
        found["tickets"].fill_(last)
        found["flags"][:, 1 : 1 + solved] = look_back.SOLVED
        found["flags"][:, 1 + solved : 1 + last] = look_back.JOINED
        return found

    monkeypatch.setattr(scan, "_flags", flags)
    out = scan.room(course.form, b)
    monkeypatch.setattr(scan, "function", lambda kernel: OneProgram(function(kernel)))
    scan._launch(course, size, {"a": a, "b": b, "out": out} | room)
    assert_near([out[last * size :]], [expected[last * size :]], 1e-12)
    assert_near([states[-1]], [expected[-1]], 1e-12)
    assert out[: last * size].isnan().all()
