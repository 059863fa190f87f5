"""Decayed products inside a chunk against their definition, by Triton's interpreter."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("triton")

import triton
import triton.language as tl

from ostinato.engines.chunk.on_device.decayed import passed_on, scores, sums

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="kernels run on the device")
C, K, KEYS = 16, 16, 5


@triton.jit
def products(
    x, y, weights, gamma, found, rows, columns,
    BY_KEY: tl.constexpr, C: tl.constexpr, K: tl.constexpr, keys: tl.constexpr,
):  # fmt: skip
    i, key = tl.arange(0, C), tl.arange(0, K)
    place, square = i[:, None] * K + key[None, :], i[:, None] * C + i[None, :]
    xx, yy, given = tl.load(x + place), tl.load(y + place), tl.load(weights + square)
    made = scores(xx, yy, gamma, i, key, keys, BY_KEY, True, C, "ieee")
    tl.store(found + square, made)
    to_rows, to_columns = passed_on(given, xx, yy, gamma, i, key, keys, BY_KEY, C, "ieee")
    tl.store(rows + place, to_rows)
    tl.store(columns + place, to_columns)


def rows(keys):
    x = torch.zeros(C, K)
    x[:, :keys] = torch.randn(C, keys)
    return x


def gates(keys):
    """Decays of all strengths, none, and what is forgotten at once."""
    g = -torch.exp(12 * torch.rand(C, keys) - 8)
    g[3], g[7, 0], g[9] = 0, -torch.inf, -1000
    return g


def test_the_sums_of_steps_with_several_rows():
    g, gamma = gates(KEYS)[None, :, None], torch.empty(2, 16, KEYS, dtype=torch.float64)
    numbers = {"T": C, "heads": 1, "chunks": 2, "n": 2, "gates": KEYS, "C": 16, "G": 8}
    with np.errstate(all="ignore"):
        sums[2, 1](g, gamma, *(g.stride(i) for i in (0, 2, 1)), **numbers)
    expected = g[0, :, 0].double().clamp(min=-800).view(2, 8, KEYS).cumsum(1)
    torch.testing.assert_close(gamma, expected.repeat_interleave(2, 1), rtol=1e-12, atol=0)


@pytest.mark.parametrize("by_key", [True, False])
def test_products_of_all_strengths(by_key):
    x, y, weights = rows(KEYS), rows(KEYS), torch.randn(C, C).tril()
    gamma = gates(KEYS if by_key else 1).double().clamp(min=-800).cumsum(0)
    decay = (gamma[:, None] - gamma[None]).masked_fill(
        torch.ones(C, C).triu(1).bool()[..., None], 0
    )
    decay = decay.exp() * torch.ones(C, C).tril()[..., None]
    decay = torch.nn.functional.pad(decay.expand(C, C, KEYS), (0, K - KEYS)).float()
    found = torch.empty(C, C), torch.empty(C, K), torch.empty(C, K)
    # One decay for all keys is in the weights already.
    given = weights if by_key else weights * decay[..., 0]
    with np.errstate(all="ignore"):
        products[1,](x, y, given, gamma, *found, by_key, C, K, KEYS)
    expected = (
        torch.einsum("ik,jk,ijk->ij", x, y, decay),
        torch.einsum("ij,jk,ijk->ik", weights, y, decay),
        torch.einsum("ij,ik,ijk->jk", weights, x, decay),
    )
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
