"""Seeds as a pure function of the step: no generator state has to survive a crash."""

from __future__ import annotations

from hashlib import blake2b

_ODD = 0x9E3779B1  # 2^32 / golden ratio: multiplying by an odd number permutes 32-bit numbers


def step_seed(seed: int, step: int, stream: str = "") -> int:
    """The seed of `step`, different for every step below 2^32 and unrelated across `seed`.

    Only 32 bits vary, since torch's CPU generator reads no more of a seed.

    Args:
        seed: the run's seed.
        step: optimizer step, from 0.
        stream: what the numbers are for; different streams are unrelated.
    """
    offset = blake2b(f"{seed}/{stream}".encode(), digest_size=4).digest()
    return (int.from_bytes(offset) + step * _ODD) % 2**32
