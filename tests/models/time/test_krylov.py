"""Krylov vectors, convolutions without wrapping, and powers of a transition."""

from __future__ import annotations

import pytest
import torch

from ostinato.cells.discretise import discretise
from ostinato.cells.hippo import hippo
from ostinato.models.time import krylov as krylov_module
from ostinato.models.time.krylov import advance, convolve, final_state, krylov

F64 = torch.float64


def system(features=3, size=4):
    a = torch.randn(features, size, size, dtype=F64) / (2 * size)
    return a, torch.randn(features, size, dtype=F64)


@pytest.mark.parametrize("length", [1, 2, 7, 8, 9])
def test_doubling_gives_every_power(length):
    a, b = system()
    expected = torch.stack([torch.linalg.matrix_power(a, i) @ b[..., None] for i in range(length)])
    torch.testing.assert_close(krylov(a, b, length), expected[..., 0].permute(1, 2, 0))


@pytest.mark.parametrize("steps", [1, 2, 9, 16])
def test_a_convolution_is_its_sum_and_nothing_wraps_around(steps):
    u, kernel = torch.randn(2, steps, 3, dtype=F64), torch.randn(3, 2, steps, dtype=F64)
    y = convolve(u, kernel)
    expected = torch.zeros_like(y)
    for t in range(steps):
        for i in range(t + 1):
            expected[:, t] += kernel[..., i] * u[:, t - i, :, None]
    torch.testing.assert_close(y, expected, atol=1e-12, rtol=0)


def test_gradients_of_any_order():
    u = torch.randn(2, 5, 3, dtype=F64, requires_grad=True)
    kernel = torch.randn(3, 2, 5, dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(convolve, (u, kernel))
    assert torch.autograd.gradgradcheck(convolve, (u, kernel))
    a, b = (each.requires_grad_() for each in system(2, 3))
    assert torch.autograd.gradcheck(lambda *each: krylov(*each, 6), (a, b))


@pytest.mark.parametrize(("again", "transforms"), [(False, 3), (True, 5)])
def test_spectra_are_kept_where_the_gradient_has_none(monkeypatch, again, transforms):
    taken = []

    def spectrum(x, plain=krylov_module._spectrum):
        taken.append(x.shape)
        return plain(x)

    monkeypatch.setattr(krylov_module, "_spectrum", spectrum)
    u, kernel = (torch.randn(2, 5, 2, requires_grad=True) for _ in range(2))
    y = convolve(u, kernel.transpose(1, 2))
    torch.autograd.grad(y.sum(), (u, kernel), create_graph=again)
    assert len(taken) == transforms


def test_vmap_goes_over_kernels():
    u, kernels = torch.randn(2, 5, 3, dtype=F64), torch.randn(4, 3, 1, 5, dtype=F64)
    found = torch.func.vmap(lambda kernel: convolve(u, kernel))(kernels)
    torch.testing.assert_close(found[2], convolve(u, kernels[2]))


def test_rows_advance_by_steps_of_their_own():
    a, _ = system()
    state, steps = torch.randn(4, 3, 4, dtype=F64), torch.tensor([0, 1, 6, 13])
    found = advance(a, state, steps)
    for row, count in enumerate(steps.tolist()):
        expected = torch.linalg.matrix_power(a, count) @ state[row][..., None]
        torch.testing.assert_close(found[row], expected[..., 0])


def test_the_final_state_is_the_sum_of_what_is_left_of_every_input():
    (a, b), u = system(), torch.randn(2, 6, 3, dtype=F64)
    x = torch.zeros(2, 3, 4, dtype=F64)
    for t in range(6):
        x = (a @ x[..., None])[..., 0] + b * u[:, t, :, None]
    torch.testing.assert_close(final_state(krylov(a, b, 6), u), x)


def test_float32_stays_near_float64_where_powers_grow():
    """LegS of 64 states with long steps is far from normal."""
    steps = torch.tensor([1e-3, 1e-2, 1e-1], dtype=F64)
    held, hold = discretise(*hippo("legs", 64), steps)
    exact = krylov(held, hold, 1000)
    rough = krylov(held.float(), hold.float(), 1000)
    error = (rough - exact).abs().amax((1, 2)) / exact.abs().amax((1, 2))
    assert error.max() < 1e-4
