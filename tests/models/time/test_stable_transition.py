"""Matrices that lengthen no vector."""

from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.models.time.stable_transition import stable_transition, transition_numbers

FORMS = ["diagonal", "svd", "qr", "householder", "limit"]


def draw(form, size, scale):
    numbers = scale * torch.randn(20, transition_numbers(form, size), dtype=torch.float64)
    return numbers.requires_grad_()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [1, 3])
def test_no_vector_is_lengthened_and_gradients_are_finite(form, size):
    for scale in (0.1, 3.0):
        numbers = draw(form, size, scale)
        matrices = stable_transition(form, numbers, size)
        assert matrices.shape == (20, size, size)
        assert torch.linalg.matrix_norm(matrices, 2).max() <= 1 + 1e-12
        (gradient,) = torch.autograd.grad(matrices.sin().sum(), numbers)
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0


@pytest.mark.parametrize("form", ["svd", "qr", "householder"])
def test_at_the_bound_they_are_rotations_and_reflections(form):
    numbers = draw(form, 3, 1.0).detach()
    numbers[:, -3:] = 9
    q = stable_transition(form, numbers, 3)
    one = torch.eye(3, dtype=torch.float64).expand(20, 3, 3)
    torch.testing.assert_close(q @ q.mT, one)
    assert (q - one).abs().amax((-1, -2)).min() > 1e-3


def test_a_small_matrix_is_not_limited():
    numbers = torch.cat([-0.9 * torch.eye(3).flatten(), torch.full((3,), 9.0)])
    torch.testing.assert_close(stable_transition("limit", numbers, 3), 0.1 * torch.eye(3))


def test_an_unknown_form_is_answered_with_the_nearest():
    with pytest.raises(ArgumentError, match="Did you mean 'householder'"):
        transition_numbers("housholder", 2)


@pytest.mark.parametrize("form", FORMS)
def test_numbers_of_16_bits_are_factorised_in_32(form):
    numbers = draw(form, 3, 1.0).detach().float()
    narrow = stable_transition(form, numbers.bfloat16(), 3)
    assert narrow.dtype == torch.bfloat16
    exact = stable_transition(form, numbers.bfloat16().float(), 3)
    torch.testing.assert_close(narrow, exact.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(stable_transition(form, numbers.bfloat16().float(), 3), exact)
