from __future__ import annotations

import pytest
import torch

from ostinato.engines.parallel.affine import KINDS, prepare
from ostinato.engines.parallel.affine_map import Matrices, Pointwise
from ostinato.engines.parallel.log_depth import interleave, log_depth, summary

from .loop import SHAPES, assert_near, loop, random


@pytest.mark.parametrize("window", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", SHAPES)
def test_windows_of_any_length(kind, reverse, window):
    a, b, init = random(kind, 23)
    valid, restart = torch.rand(23, 3) < 0.7, torch.rand(23, 3) < 0.2
    for masks in ((None, None), (valid, restart)):
        prepared = prepare(a, b, init, kind, reverse, *masks)
        assert_near([log_depth(*prepared, window=window)], [log_depth(*prepared)])
    plain = prepare(a, b, init, kind, reverse, None, None)
    assert_near([log_depth(*plain, window=window)], [loop(a, b, init, kind=kind, reverse=reverse)])


@pytest.mark.parametrize("kind", SHAPES)
def test_an_a_that_stays_the_same_is_never_repeated(kind):
    a, b, init = random(kind, 40)
    course, constant, b, init = prepare(a[:1, :1], b, init, kind, False, None, None)
    seen = []

    class Watching(type(course.form)):
        def compose(self, later, earlier):
            seen.append(later.shape)
            return super().compose(later, earlier)

    watched = type(course)(Watching())
    assert_near([log_depth(watched, constant, b, init)], [loop(a[:1, :1], b, init, kind=kind)])
    assert seen
    assert all(shape == constant.shape for shape in seen)


@pytest.mark.parametrize("steps", [1, 2, 3, 6, 7, 13])
@pytest.mark.parametrize("constant", [False, True])
def test_the_summary_is_the_whole_as_one_step(steps, constant):
    form = KINDS["dense"].form
    a, b, init = random("dense", steps)
    a = a[:1] if constant else a
    product, last = summary(form, a, b, None)
    expected = loop(a, b, init, kind="dense")[-1]
    assert product.shape == (1, 3, 6, 6)
    assert_near([form.apply(product, init[None])[0] + last[0]], [expected])


def test_steps_are_put_back_in_order():
    x = torch.arange(7 * 2).reshape(2, 7)
    assert interleave(x[:, ::2], x[:, 1::2], 1).equal(x)
    assert interleave(x[:, :6:2], x[:, 1:6:2], 1).equal(x[:, :6])


def test_forms_are_what_they_claim():
    for form, shape in ((Pointwise(), (4, 3, 5)), (Matrices(), (4, 3, 5, 5))):
        a, c = torch.randn(2, *shape, dtype=torch.complex128)
        h, g = torch.randn(2, 4, 3, 5, dtype=torch.complex128)
        assert_near([form.apply(form.compose(a, c), h)], [form.apply(a, form.apply(c, h))])
        inner = [(x.conj() * y).sum() for x, y in ((g, form.apply(a, h)),)]
        assert_near(inner, [(form.apply(form.adjoint(a), g).conj() * h).sum()])
        mask = torch.rand(4, 3) < 0.5
        masked = form.apply(form.where_identity(a, mask), h)
        assert_near([masked], [torch.where(mask[..., None], h, form.apply(a, h))])
