from __future__ import annotations

import pytest
import torch

from ostinato.tasks.rl.repeat_previous import RepeatPrevious


def test_every_suit_is_dealt_equally_often():
    game = RepeatPrevious(3, decks=2)
    game.reset(0)
    assert (game.world["suits"].sort().values == torch.arange(4).repeat_interleave(26)).all()


@pytest.mark.parametrize("k", [1, 4, 32])
def test_who_remembers_earns_one_and_who_errs_minus_one(k):
    for shift, earned in ((0, 1.0), (1, -1.0)):
        game = RepeatPrevious(2, k=k)
        seen = [game.reset(0).argmax(1)]
        for step in range(51):
            asked = seen[max(0, len(seen) - k)]
            t = game.step((asked + shift) % 4)
            assert bool(t.over.all()) == (step == 50)
            assert bool((t.reward == 0).all()) == (step + 1 < k)
            seen.append(t.observation.argmax(1))
        torch.testing.assert_close(t.returns, torch.full((2,), earned))


def test_the_rules_are_those_of_popgym():
    popgym = pytest.importorskip("popgym.envs.repeat_previous")
    theirs, ours = popgym.RepeatPrevious(num_decks=1, k=4), RepeatPrevious(1, k=4)
    seen, _ = theirs.reset(seed=3)
    ours.reset(0)
    order = theirs.deck.suits_idx[theirs.deck.idx][::-1]
    ours.world["suits"] = torch.tensor(order.copy())[None]
    generator = torch.Generator().manual_seed(0)
    assert int(ours.observe(ours.world).argmax()) == seen
    for _ in range(51):
        action = torch.randint(4, (1,), generator=generator)
        t = ours.step(action)
        seen, reward, ended, _, _ = theirs.step(int(action))
        assert int(t.final_observation.argmax()) == seen
        assert float(t.reward) == pytest.approx(reward)
        assert bool(t.terminated) == ended
