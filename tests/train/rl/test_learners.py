from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.core.state import leaves
from ostinato.train.rl.learners import LEARNERS, layer_state, make_learner


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name", LEARNERS)
def test_segments_give_what_the_whole_gives(make_layer, name, layers):
    layer = make_layer(layers=layers)
    learner, carried, found = make_learner(name, layer), None, []
    x, resets = torch.randn(3, 10, 8), torch.rand(3, 10) < 0.2
    for begin in (0, 4, 8):
        own = slice(begin, begin + 4)
        y, carried = learner(x[:, own], carried, resets=resets[:, own])
        found.append(y)
    whole, state = layer(x, resets=resets)
    torch.testing.assert_close(torch.cat(found, 1), whole)
    torch.testing.assert_close(layer_state(layer, carried), state)
    assert layer_state(layer, None) is None


@pytest.mark.parametrize("layers", [1, 2])
def test_both_carry_the_same_but_for_sensitivities(make_layer, layers):
    layer, x = make_layer(layers=layers), torch.randn(3, 2, 8)
    (_, short), (_, long) = (make_learner(name, layer)(x) for name in LEARNERS)
    assert short.kept is None
    assert long.kept
    torch.testing.assert_close(short._replace(kept=long.kept), long)
    assert not any(leaf.requires_grad for leaf in leaves(tuple(short)))


def test_a_misspelt_learner_is_guessed(make_layer):
    with pytest.raises(ArgumentError, match="Did you mean 'rtrl'"):
        make_learner("rtlr", make_layer())
