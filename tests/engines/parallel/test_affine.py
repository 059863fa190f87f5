from __future__ import annotations

import pytest
import torch

from ostinato import affine_scan
from ostinato.core.errors import ArgumentError, ShapeError
from ostinato.engines.parallel import sequential

from .loop import (
    SHAPES,
    assert_near,
    loop,
    masks,
    random,
    values_and_gradients,
)

REAL, COMPLEX = torch.float64, torch.complex128


@pytest.fixture(params=["compiled", "log-depth"])
def form(request, monkeypatch):
    """Both ways to evaluate."""
    if request.param == "log-depth":
        monkeypatch.setattr(sequential, "compiled", lambda b: False)


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("which", ["none", "lengths", "resets", "both"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", [REAL, COMPLEX])
@pytest.mark.parametrize("kind", SHAPES)
def test_equals_the_loop(kind, dtype, reverse, which):
    for steps in (0, 1, 2, 3, 7, 64, 129):
        a, b, init = random(kind, steps, dtype=dtype)
        options = {"kind": kind, "reverse": reverse, **masks(which, steps)}
        for tensors in ((a, b, init), (a, b)):
            ours = values_and_gradients(affine_scan, tensors, **options)
            assert_near(ours, values_and_gradients(loop, tensors, **options))


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("dtype", [REAL, COMPLEX])
def test_blocks_of_every_size(size, dtype):
    a = 0.3 * torch.randn(9, 2, 7, size, size, dtype=dtype)
    b, init = torch.randn(9, 2, 7, size, dtype=dtype), torch.randn(2, 7, size, dtype=dtype)
    ours = values_and_gradients(affine_scan, (a, b, init), kind="block")
    assert_near(ours, values_and_gradients(loop, (a, b, init), kind="block"))


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("diagonal", (4, 5)),
        ("diagonal", (5,)),
        ("diagonal", ()),
        ("diagonal", (9, 3, 1, 5)),
        ("diagonal", (9, 1, 4, 1)),
        ("scaled", (4,)),
        ("scaled", (9, 1, 4)),
        ("scaled", (3, 1)),
        ("block", (5, 5)),
        ("block", (4, 5, 5)),
        ("block", (9, 1, 1, 5, 5)),
        ("block", (1, 3, 4, 5, 5)),
    ],
)
@pytest.mark.parametrize("dtype", [REAL, COMPLEX])
@pytest.mark.parametrize("which", ["none", "both"])
def test_an_a_that_does_not_change_along_some_axes(kind, shape, dtype, which):
    a = 0.3 * torch.randn(shape, dtype=dtype)
    b, init = torch.randn(9, 3, 4, 5, dtype=dtype), torch.randn(3, 4, 5, dtype=dtype)
    options = {"kind": kind, **masks(which, 9)}
    ours = values_and_gradients(affine_scan, (a, b, init), **options)
    assert_near(ours, values_and_gradients(loop, (a, b, init), **options))


@pytest.mark.parametrize("which", ["none", "lengths", "resets", "both"])
@pytest.mark.parametrize("kind", ["diagonal", "block", "dense"])
def test_no_axes_but_the_batch(kind, which):
    features = {"diagonal": (), "block": (2,), "dense": (2,)}[kind]
    a = 0.3 * torch.randn(7, 3, *features, *features[: kind != "diagonal"], dtype=REAL)
    b, init = torch.randn(7, 3, *features, dtype=REAL), torch.randn(3, *features, dtype=REAL)
    options = {"kind": kind, **masks(which, 7)}
    ours = values_and_gradients(affine_scan, (a, b, init), **options)
    assert_near(ours, values_and_gradients(loop, (a, b, init), **options))


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("dtype", [REAL, COMPLEX])
def test_inputs_in_any_layout(kind, dtype):
    """Channels first, time last, expanded, every other element, conjugated."""
    a, b, init = random(kind, 6, dtype=dtype)
    expected = loop(a, b, init, kind=kind)

    def flipped(x):
        return x.permute(*reversed(range(x.dim()))).contiguous().permute(*reversed(range(x.dim())))

    def strided(x):
        wide = x.new_zeros(*x.shape[:-1], 2 * x.shape[-1])
        wide[..., ::2] = x
        return wide[..., ::2]

    def batch_first(x):
        return x.transpose(0, 1).contiguous().transpose(0, 1)

    def conjugated(x):
        return x.conj().resolve_conj().conj()

    for change in (flipped, strided, batch_first, conjugated):
        for which in range(4):
            tensors = [change(x) if which in (i, 3) else x for i, x in enumerate((a, b, init))]
            assert_near([affine_scan(*tensors, kind=kind)], [expected])
            leaves = [x.detach().requires_grad_() for x in tensors]
            h = affine_scan(*leaves, kind=kind)
            ours = torch.autograd.grad(h.abs().square().sum(), leaves)
            roots = [x.detach().clone().requires_grad_() for x in (a, b, init)]
            h = loop(*roots, kind=kind)
            assert_near(ours, torch.autograd.grad(h.abs().square().sum(), roots))


def test_what_is_repeated_by_stride_is_read_as_it_is():
    a, b = torch.rand(5, dtype=REAL), torch.randn(3, dtype=REAL)
    tensors = a.expand(4, 3, 5), b[:, None].expand(4, 3, 5)
    ours = values_and_gradients(lambda a, b: affine_scan(a.expand(4, 3, 5), b[:, None].expand(
        4, 3, 5), kind="diagonal"), (a, b))  # fmt: skip
    theirs = values_and_gradients(lambda a, b: loop(a.expand(4, 3, 5), b[:, None].expand(
        4, 3, 5), kind="diagonal"), (a, b))  # fmt: skip
    assert_near(ours, theirs)
    assert_near([affine_scan(*tensors, kind="diagonal")], [loop(*tensors, kind="diagonal")])


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("kind", SHAPES)
def test_nan_on_padding_and_before_a_reset_reaches_nothing(kind):
    a, b, init = random(kind, 8)
    lengths = torch.tensor([8, 5, 0])
    resets = torch.zeros(3, 8, dtype=torch.bool)
    resets[0, 3] = True
    options = {"kind": kind, "lengths": lengths, "resets": resets}
    expected = values_and_gradients(loop, (a, b, init), **options)
    for tensor in (a, b):
        tensor[5:, 1] = tensor[:, 2] = torch.nan
    found = values_and_gradients(affine_scan, (a, b, init), **options)
    assert_near(found, expected)
    b[2, 0] = torch.nan
    h = affine_scan(a, b, init, **options)
    assert_near([h[3:, 0]], [expected[0][3:, 0]])
    assert not h[2, 0].isfinite().any()


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_single_precision(kind, dtype):
    a, b, init = random(kind, 40, dtype=dtype)
    ours = values_and_gradients(affine_scan, (a, b, init), kind=kind)
    theirs = values_and_gradients(loop, (a, b, init), kind=kind)
    assert_near(ours, theirs, 1e-5)


def test_threads_share_the_work():
    torch.set_num_threads(4)
    for kind in SHAPES:
        a, b, init = random(kind, 300, batch=3)
        a, b, init = (x.repeat_interleave(40, -3 if x.dim() > 3 else 0) for x in (a, b, init))
        if a.shape[1] == b.shape[1]:
            ours = affine_scan(a, b, init[: b.shape[1]], kind=kind)
            assert_near([ours], [loop(a, b, init[: b.shape[1]], kind=kind)])


def test_torch_func_and_forward_mode():
    a, b, init = random("diagonal", 5)
    found = torch.func.jvp(lambda a: affine_scan(a, b, init, kind="diagonal"), (a,), (b,))
    expected = torch.func.jvp(lambda a: loop(a, b, init, kind="diagonal"), (a,), (b,))
    assert_near(found, expected)
    each = torch.func.vmap(lambda init: affine_scan(a, b, init, kind="diagonal"))
    assert_near([each(torch.stack([init, 2 * init]))[1]], [loop(a, b, 2 * init, kind="diagonal")])


def test_errors_say_what_is_needed():
    a, b, init = random("diagonal", 4)
    with pytest.raises(ArgumentError, match=r"'diagnal'. Did you mean 'diagonal'"):
        affine_scan(a, b, kind="diagnal")
    with pytest.raises(ShapeError, match=r"a \(T, B, \*N\) .* \[4, 3, 5\]; got a \[4, 3, 4\]"):
        affine_scan(a[..., :4], b, kind="diagonal")
    with pytest.raises(ShapeError, match=r"dense affine scan needs b \(T, B, N\)"):
        affine_scan(a, b[0], kind="dense")
    with pytest.raises(ShapeError, match=r"\[4, 3, 5, 5\]; got a \[4, 3, 5\]"):
        affine_scan(a, b, kind="dense")
    with pytest.raises(ShapeError, match=r"init must be .* \[3, 5\]; got \[5\]"):
        affine_scan(a, b, init[0], kind="diagonal")
    with pytest.raises(ShapeError, match=r"one dtype .* got torch.float32, torch.float64"):
        affine_scan(a.float(), b, kind="diagonal")
    with pytest.raises(ShapeError, match=r"one dtype .* got torch.bfloat16"):
        affine_scan(a.bfloat16(), b.bfloat16(), kind="diagonal")
    with pytest.raises(ShapeError, match=r"lengths must lie in 0..4"):
        affine_scan(a, b, kind="diagonal", lengths=[5, 0, 0])
    with pytest.raises(ShapeError, match=r"resets must be \(3, 4\)"):
        affine_scan(a, b, kind="diagonal", resets=torch.zeros(4, 3, dtype=torch.bool))
    with pytest.raises(ShapeError, match="a must be a tensor; got list"):
        affine_scan([1.0], b, kind="diagonal")


def test_lists_are_masks_too():
    a, b, init = random("diagonal", 4)
    masks = {"lengths": [4, 2, 3], "resets": [[False, True, False, True]] * 3}
    found = affine_scan(a, b, init, kind="diagonal", **masks)
    masks = {name: torch.tensor(mask) for name, mask in masks.items()}
    assert torch.equal(found, affine_scan(a, b, init, kind="diagonal", **masks))
