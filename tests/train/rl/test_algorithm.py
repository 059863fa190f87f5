from __future__ import annotations

import torch

from ostinato.train.rl.algorithm import divergence


def test_the_divergence_is_that_of_the_policies_on_average():
    old, new = (torch.tensor(p).double() for p in ([0.1, 0.2, 0.7], [0.3, 0.3, 0.4]))
    expected = (old * (old / new).log()).sum()
    actions = torch.multinomial(
        old, 200_000, replacement=True, generator=torch.Generator().manual_seed(0)
    )
    found = divergence((new / old).log()[actions])
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0)


def test_it_is_never_negative():
    change = torch.linspace(-2, 2, 9, requires_grad=True)
    assert all(divergence(each) >= 0 for each in change)
    assert divergence(torch.zeros(3)) == 0
    assert not divergence(change).requires_grad
