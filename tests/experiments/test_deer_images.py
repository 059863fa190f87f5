"""Strided heads on images, as the experiment on DEER trains them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ostinato.experiments.deer_images import Size, as_large, by_heads, image_task

MNIST = Path(__file__).parents[3] / "shared/data/mnist"

pytest.importorskip("sklearn")


def test_the_other_net_is_no_smaller():
    task, size = image_task(None), Size(heads=3, units=2)
    heads = by_heads(task, size)
    single = as_large(task, heads)
    (gru,) = single.layers
    sizes = [sum(p.numel() for p in net.parameters()) for net in (heads, single)]
    assert sizes[0] <= sizes[1] < 1.3 * sizes[0]
    assert [head.stride for head in heads.layers[0].heads] == [1, 2, 4]
    narrower = Size(heads=1, units=gru.cell.hidden_size - 1)
    assert sum(p.numel() for p in by_heads(task, narrower).parameters()) < sizes[0]


def test_digits_are_read_pixel_by_pixel():
    assert image_task(None).batch(0, 2).inputs.shape == (2, 64, 1)


@pytest.mark.skipif(not MNIST.exists(), reason="needs shared/data")
@pytest.mark.slow
def test_with_data_it_is_mnist():
    assert image_task(str(MNIST)).batch(0, 2).inputs.shape == (2, 784, 1)
