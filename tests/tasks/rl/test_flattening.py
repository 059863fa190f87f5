from __future__ import annotations

import numpy as np
import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.rl.flattening import flattening

spaces = pytest.importorskip("gymnasium.spaces")


def batch(space, number):
    """E samples in gymnasium's form of a batch, and one by one."""
    from gymnasium.vector.utils import concatenate, create_empty_array

    space.seed(0)
    samples = [space.sample() for _ in range(number)]
    return concatenate(space, samples, create_empty_array(space, number)), samples


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-1, 1, (3, 2), np.float64),
        spaces.Discrete(5),
        spaces.MultiDiscrete([[3, 2], [4, 5]]),
        spaces.MultiBinary(4),
        spaces.Tuple([spaces.Discrete(3), spaces.Box(0, 1, (2,))]),
        spaces.Dict({"b": spaces.Discrete(2), "a": spaces.MultiDiscrete([2, 3])}),
    ],
    ids=lambda space: type(space).__name__,
)
def test_vectors_are_those_of_gymnasium_one_by_one(space):
    whole, samples = batch(space, 6)
    size, flatten = flattening(space)
    found = flatten(whole)
    assert (found.shape, found.dtype) == ((6, size), torch.float32)
    expected = np.stack([np.asarray(spaces.flatten(space, each)) for each in samples])
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_choices_that_do_not_begin_at_zero():
    size, flatten = flattening(spaces.Discrete(3, start=-1))
    assert size == 3
    assert flatten(np.array([-1, 1])).tolist() == [[1, 0, 0], [0, 0, 1]]


def test_images_become_numbers_up_to_one_and_squares_their_mean():
    space = spaces.Box(0, 255, (5, 4, 3), np.uint8)
    whole, _ = batch(space, 2)
    size, flatten = flattening(space, shrink=2)
    assert size == 2 * 2 * 3
    found = flatten(whole).view(2, 3, 2, 2)
    expected = whole[0, 2:4, 0:2, 1].mean() / 255
    assert float(found[0, 1, 1, 0]) == pytest.approx(expected, rel=1e-6)
    assert torch.equal(flattening(space).flatten(whole).amax() <= 1, torch.tensor(True))


def test_what_does_not_become_numbers():
    with pytest.raises(ArgumentError, match=r"made of Box, Discrete.*got Text"):
        flattening(spaces.Dict({"told": spaces.Text(8)}))
    with pytest.raises(ArgumentError, match="shrink must be from 1 to 4 for images of 5 × 4"):
        flattening(spaces.Box(0, 255, (5, 4, 3), np.uint8), shrink=5)
