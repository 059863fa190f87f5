"""What each process of `test_sharded` runs."""

from __future__ import annotations

import itertools
import sys

import torch
from torch import distributed as dist

from ostinato import affine_scan
from ostinato.engines.parallel.sharded import sharded_affine_scan

from .loop import SHAPES, assert_near, masks, random


def compare(kind, dtype, reverse, which, sizes) -> None:
    """One case; all processes draw the same numbers and take their part of them."""
    steps, rank = sum(sizes), dist.get_rank()
    own = slice(sum(sizes[:rank]), sum(sizes[: rank + 1]))
    whole = [x.requires_grad_() for x in random(kind, steps, dtype=dtype)]
    weights = torch.randn(whole[1].shape, dtype=torch.float64)
    options = {"kind": kind, "reverse": reverse, **masks(which, steps)}
    h = affine_scan(*whole, **options)
    expected = torch.autograd.grad((h * weights).abs().square().sum(), whole)
    second = second_order(affine_scan, whole, whole[:2], weights, options)
    part = [x.detach().clone().requires_grad_() for x in (whole[0][own], whole[1][own], whole[2])]
    if "resets" in options:
        options["resets"] = options["resets"][:, own]
    mine = sharded_affine_scan(*part, **options)
    loss = (mine * weights[own]).abs().square().sum()
    found = list(torch.autograd.grad(loss, part))
    dist.all_reduce(found[2])
    assert_near([mine, *found], [h[own], expected[0][own], expected[1][own], expected[2]])
    found = second_order(sharded_affine_scan, part, part[:2], weights[own], options)
    assert_near(found, [x[own] for x in second], 1e-11)


def second_order(function, tensors, wanted, weights, options) -> list[torch.Tensor]:
    """The gradient of a gradient's square."""
    h = function(*tensors, **options)
    grads = torch.autograd.grad((h * weights).abs().square().sum(), wanted, create_graph=True)
    return list(torch.autograd.grad(sum(g.abs().square().sum() for g in grads), wanted))


def main(rank, count, store) -> None:
    dist.init_process_group("gloo", f"file://{store}", rank=rank, world_size=count)
    torch.set_num_threads(1)
    uneven = [5, 1, 0, 8][:count]
    try:
        for seed, (kind, reverse) in enumerate(itertools.product(SHAPES, (False, True))):
            torch.manual_seed(seed)
            dtype = torch.complex128 if seed % 3 else torch.float64
            compare(kind, dtype, reverse, "none", [4] * count)
            compare(kind, dtype, reverse, "both", uneven[::-1] if seed % 4 > 1 else uneven)
        print("all equal", flush=True)
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
