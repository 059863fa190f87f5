from __future__ import annotations

import torch

from ostinato.models.time.pass_through import PassThrough


def test_it_does_nothing_and_remembers_nothing():
    layer, x = PassThrough(), torch.randn(2, 5, 3)
    y, state, states = layer(x, return_states=True)
    assert y is x
    assert state == states == layer.initial_state(2) == ()
    assert layer.step(x[:, 0], state)[1] == ()
