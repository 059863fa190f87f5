"""Scans on kernels for devices, interpreted, against the plain loop: values and gradients."""

from __future__ import annotations

import math

import pytest
import torch

from ostinato import affine_scan
from ostinato.engines import tuned
from ostinato.engines.parallel import sequential
from ostinato.engines.parallel.affine import prepare
from ostinato.engines.parallel.affine_map import Matrices, Pointwise
from ostinato.engines.parallel.device import chunks, scan
from ostinato.engines.parallel.log_depth import log_depth

from ..loop import assert_near, loop, masks, random, values_and_gradients

pytestmark = pytest.mark.usefixtures("interpreted")
REAL, COMPLEX = torch.float64, torch.complex128


def drawn(kind, steps, rows, units, size, dtype=REAL):
    """a, b and init of `kind`, with `units` units of `size` channels."""
    channels = {"diagonal": (), "scaled": (size,), "block": (size,)}[kind]
    matrix = channels * 2 if kind == "block" else ()
    a = 0.4 * torch.randn(steps, rows, units, *matrix, dtype=dtype)
    b = torch.randn(steps, rows, units, *channels, dtype=dtype)
    return a, b, torch.randn(rows, units, *channels, dtype=dtype)


def check(tensors, bound=1e-12, **options):
    ours = values_and_gradients(affine_scan, tensors, **options)
    assert_near(ours, values_and_gradients(loop, tensors, **options), bound)


@pytest.mark.parametrize("part", [None, 7])
@pytest.mark.parametrize(
    ("steps", "rows", "units"),
    [
        (1, 1, 1),
        (2, 3, 5),
        (5, 1, 17),
        pytest.param(33, 3, 1, marks=pytest.mark.slow),
        pytest.param(130, 1, 5, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(("kind", "size"), [("diagonal", 1), ("scaled", 3), ("block", 2)])
def test_equals_the_loop(kind, size, steps, rows, units, part, in_parts):
    if part:
        in_parts(part)
    check(drawn(kind, steps, rows, units, size), kind=kind)


@pytest.mark.parametrize("part", [None, 4])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("which", ["lengths", "resets", "both"])
@pytest.mark.parametrize("kind", ["diagonal", "block"])
def test_masks(kind, which, reverse, part, in_parts):
    if part:
        in_parts(part)
    check(drawn(kind, 9, 3, 5, 2), kind=kind, reverse=reverse, **masks(which, 9))


@pytest.mark.parametrize("part", [None, 3])
@pytest.mark.parametrize("size", [1, 3, pytest.param(4, marks=pytest.mark.slow)])
def test_blocks_of_every_size_and_complex_numbers(size, part, in_parts):
    if part:
        in_parts(part)
    for dtype in (REAL, COMPLEX):
        check(drawn("block", 5, 2, 3, size, dtype), kind="block", **masks("both", 5, 2))
    check(drawn("diagonal", 5, 2, 3, size, COMPLEX), kind="diagonal", reverse=True)


@pytest.mark.parametrize(
    ("kind", "shape"),
    [("diagonal", (5,)), ("diagonal", (9, 1, 4, 1)), ("scaled", (4,)), ("block", (4, 5, 2, 2))],
)
@pytest.mark.parametrize("which", ["none", "both"])
def test_an_a_that_does_not_change_along_some_axes(kind, shape, which, in_parts):
    channels = (2,) if kind == "block" else ()
    a = 0.3 * torch.randn(shape, dtype=REAL)
    b = torch.randn(9, 3, 4, 5, *channels, dtype=REAL)
    for part in (9, 4):
        in_parts(part)
        check((a, b, torch.randn_like(b[0])), kind=kind, **masks(which, 9))


def test_inputs_in_any_layout():
    for dtype in (REAL, COMPLEX):
        a, b, init = random("block", 6, dtype=dtype)
        axes = tuple(range(a.dim()))
        turned = a.permute(axes[::-1]).contiguous().permute(axes[::-1])
        planes = b.movedim(-1, 0).contiguous().movedim(0, -1)
        views = [(turned, planes, init), (a.transpose(0, 1).contiguous().transpose(0, 1), b, init)]
        conjugated = [x.conj().resolve_conj().conj() for x in (a, b, init)]
        for tensors in (*views, conjugated):
            check(tensors, kind="block")


@pytest.mark.parametrize("part", [8, 2])
def test_nan_on_padding_and_before_a_reset_reaches_nothing(part, in_parts):
    in_parts(part)
    a, b, init = drawn("block", 8, 3, 2, 2)
    resets = torch.zeros(3, 8, dtype=torch.bool)
    resets[0, 3] = True
    options = {"kind": "block", "lengths": torch.tensor([8, 5, 0]), "resets": resets}
    expected = values_and_gradients(loop, (a, b, init), **options)
    a[5:, 1] = b[5:, 1] = a[:, 2] = b[:, 2] = torch.nan
    assert_near(values_and_gradients(affine_scan, (a, b, init), **options), expected)
    b[2, 0] = torch.nan
    found = affine_scan(a, b, init, **options)
    assert not found[2, 0].isfinite().any()
    assert_near([found[3:]], [expected[0][3:]])


def test_single_precision():
    tensors = [x.float() for x in drawn("block", 33, 2, 5, 2)]
    check(tensors, 1e-5, kind="block")


def test_second_derivatives():
    tensors = [x.requires_grad_() for x in drawn("block", 3, 1, 2, 2)]
    assert torch.autograd.gradgradcheck(
        lambda *x: affine_scan(*x, kind="block"), tensors, fast_mode=True
    )


def test_which_tensors_have_a_kernel(monkeypatch):
    assert scan.compiled(Pointwise(), torch.empty(2))
    assert scan.compiled(Matrices(), torch.empty(3, 1, 4))
    assert not scan.compiled(Matrices(), torch.empty(3, 1, 5))
    assert not scan.compiled(Pointwise(), torch.empty(2, dtype=torch.bfloat16))
    monkeypatch.setattr(scan, "_has_triton", lambda: False)
    assert not scan.compiled(Pointwise(), torch.empty(2))


def test_parts_are_timed_once_for_a_class_of_sizes(monkeypatch, tmp_path):
    """The last of the candidates is the fastest, and what was computed stays right."""
    tried = []

    def timed(run):
        run()
        tried.append(run)
        return float(-len(tried))

    choose = tuned.choose
    monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path))
    monkeypatch.setattr(tuned, "timed", timed)
    monkeypatch.setattr(tuned, "_device", lambda: "interpreter")
    monkeypatch.setattr(tuned, "measuring", lambda: True)
    monkeypatch.setattr(tuned, "_KNOWN", {})
    monkeypatch.setattr(tuned, "choose", lambda *given: choose(*given[:3]))
    for steps in (70, 100, 70):
        tensors = drawn("diagonal", steps, 1, 2, 1)
        course, a, b, init = prepare(*tensors, "diagonal", False, None, None)
        out = torch.full_like(b, math.nan)
        scan.run(course, a, b, init, out)
        assert_near(out, log_depth(course, a, b, init), 1e-12)
        parts = list(chunks.estimates(128, 2, 16, 8))[: scan._TRIED]
        size = chunks.length(steps, parts[-1])
        assert scan.chunk_of(course.form, a, b) == size < steps
    # Only the first length was new, and within it the joined parts are too few to be cut.
    assert len(tried) == len(parts)


def test_words_for_what_is_run(in_parts):
    course, a, b, _ = prepare(*drawn("diagonal", 20, 1, 2, 1), "diagonal", False, None, None)
    assert scan.describe(course.form, a, b) == (
        "scan in one generated kernel, the loop over time inside"
    )
    in_parts(8)
    assert "3 parts of 8 steps" in scan.describe(course.form, a, b)
    assert "compiled loop" in sequential.describe(course.form, a, b)
