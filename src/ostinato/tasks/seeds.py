"""Random generators derived from a seed and a place, so that batches hold no position."""

from __future__ import annotations

from hashlib import blake2b

import torch


def generator_at(seed: int, *place: int | str) -> torch.Generator:
    """A CPU generator that depends on `seed` and `place` only, e.g. `("train", step)`.

    Hashing keeps different places apart: sums such as `seed + step` would make the batches of
    seed 1 those of seed 0, one step later.
    """
    digest = blake2b(repr((seed, *place)).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest) >> 1)
