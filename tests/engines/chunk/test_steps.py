from __future__ import annotations

import torch

from ostinato.engines.chunk.steps import Steps


def made():
    q, k = torch.randn(2, 3, 4, 5), torch.randn(2, 6, 4, 5)
    return Steps(q, k, torch.randn(2, 6, 4, 7), None, k, torch.rand(2, 6, 4))


def test_what_is_erased_stays_the_key():
    steps = made().map(torch.Tensor.double)
    assert steps.erase is steps.k
    assert steps.k.dtype is torch.float64
    assert steps.updates == 2


def test_by_heads():
    steps = made()
    found = steps.by_heads(0.5)
    assert found.q[5].equal(0.5 * steps.q[1, :, 1])
    assert found.v[5].equal(steps.beta[1, :, 1, None] * steps.v[1, :, 1])
    assert found.erase[5].equal(steps.beta[1, :, 1, None] * steps.k[1, :, 1])
    assert found.g is None
