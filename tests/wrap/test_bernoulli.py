"""Masks of whole sequences."""

from __future__ import annotations

import torch

from ostinato.wrap.bernoulli import constant_mask, drop, fresh_masks


def test_fresh_masks_differ_from_step_to_step() -> None:
    masks = fresh_masks(0.5, torch.zeros(3, 20), 4, torch.Generator().manual_seed(0))
    assert masks.shape == (4, 3, 20)
    assert masks.dtype == torch.bool
    assert not torch.equal(masks[0], masks[1])


def test_a_constant_mask_takes_the_memory_of_one_step() -> None:
    mask = constant_mask(0.5, torch.zeros(3, 20), 1000, torch.Generator().manual_seed(0))
    assert mask.shape == (1000, 3, 20)
    assert torch.equal(mask[0], mask[999])
    assert mask.untyped_storage().nbytes() == 60


def test_no_steps_make_empty_masks() -> None:
    assert constant_mask(0.5, torch.zeros(3, 2), 0, None).shape == (0, 3, 2)
    assert fresh_masks(0.5, torch.zeros(3, 2), 0, None).shape == (0, 3, 2)


def test_the_seed_fixes_the_mask_whatever_the_dtype() -> None:
    draws = [
        fresh_masks(0.3, torch.zeros(5, dtype=dtype), 7, torch.Generator().manual_seed(3))
        for dtype in (torch.float32, torch.float64)
    ]
    assert torch.equal(*draws)


def test_the_probability_is_that_of_true() -> None:
    masks = fresh_masks(0.9, torch.zeros(100), 100, torch.Generator().manual_seed(0))
    assert abs(masks.double().mean() - 0.9) < 0.01


def test_what_is_kept_is_scaled_and_without_a_mask_nothing_changes() -> None:
    leaf = torch.tensor([1.0, 2.0, float("nan")])
    kept = torch.tensor([True, False, False])
    torch.testing.assert_close(drop(leaf, kept, 0.75), torch.tensor([4.0, 0.0, 0.0]))
    assert drop(leaf, None, 0.75) is leaf
