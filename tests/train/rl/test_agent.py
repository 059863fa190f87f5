from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import TrainingError
from ostinato.core.state import index
from ostinato.train import checkpoint
from ostinato.train.rl.a2c import A2C
from ostinato.train.rl.ppo import PPO


def gradient_of(agent, segments):
    """Σ of the gradients of all segments, the weights held."""
    carried = None
    agent.optimizer.zero_grad()
    for segment in segments:
        hidden, carried = agent.learner(segment.x, carried, resets=segment.begins)
        agent.algorithm.loss(agent.policy.judge(hidden), segment).total.backward()
    return [p.grad.clone() for p in agent.policy.parameters()]


def held(agent, count):
    """Segments acted one after another by the same weights."""
    found = []
    for _ in range(count):
        segment, _ = agent.act()
        with torch.no_grad():
            _, agent.carried = agent.learner(segment.x, agent.carried, resets=segment.begins)
        agent.updates += 1
        found.append(segment)
    return found


@pytest.mark.parametrize("cell", ["ELSTM", "GRU"])
def test_rtrl_is_backpropagation_through_whole_episodes(make_agent, cell):
    """Segments of 2 steps, episodes of up to 5; the targets of each segment stay as they are."""
    online = make_agent("rtrl", steps=2, cell=cell, dtype=torch.float64)
    segments = held(online, 8)
    layer, policy = online.policy.layer, online.policy
    begins = torch.cat([each.begins for each in segments], 1)
    assert begins[:, 1:].any()
    hidden, _ = layer(torch.cat([each.x for each in segments], 1), resets=begins)
    parts = hidden.split(2, 1)
    total = sum(
        online.algorithm.loss(policy.judge(part), segment).total
        for part, segment in zip(parts, segments, strict=True)
    )
    expected = torch.autograd.grad(total, list(policy.parameters()))
    found = gradient_of(online, segments)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-10)
    truncated = make_agent("tbptt", steps=2, cell=cell, dtype=torch.float64)
    short = gradient_of(truncated, segments)
    assert not torch.allclose(short[0], expected[0], atol=1e-6)


@pytest.mark.parametrize("algorithm", [A2C(), PPO(epochs=2, minibatches=3)])
@pytest.mark.parametrize("learner", ["tbptt", "rtrl"])
def test_what_is_carried_is_what_the_acting_weights_left(make_agent, learner, algorithm):
    agent, same = (make_agent(learner, algorithm) for _ in range(2))
    agent.learn()
    held(same, 1)
    torch.testing.assert_close(tuple(agent.carried), tuple(same.carried))
    assert agent.updates == 1


def test_an_epoch_meets_every_row_once_and_in_its_own_order(make_agent):
    agent = make_agent(algorithm=PPO(epochs=3, minibatches=2))
    shares = list(agent._minibatches())
    epochs = [torch.cat(shares[i : i + 2]).tolist() for i in (0, 2, 4)]
    assert all(sorted(epoch) == list(range(6)) for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert [len(rows) for rows in shares] == [3] * 6


def test_a_minibatch_is_its_rows_alone(make_agent):
    agent = make_agent("rtrl")
    agent.learn()
    segment, _ = agent.act()
    rows = torch.tensor([4, 1])
    whole, _ = agent.learner(segment.x, agent.carried, resets=segment.begins)
    own = index(segment, rows)
    part, _ = agent.learner(own.x, index(agent.carried, rows), resets=own.begins)
    torch.testing.assert_close(part, whole[rows])


@pytest.mark.parametrize(("learner", "layers"), [("tbptt", 2), ("rtrl", 1), ("rtrl", 2)])
def test_restored_it_goes_on_bit_for_bit(make_agent, tmp_path, learner, layers):
    algorithm = PPO(epochs=2, minibatches=2) if layers == 2 else A2C()
    whole, half, again = (make_agent(learner, algorithm, layers=layers) for _ in range(3))
    expected = [float(whole.learn().loss.total) for _ in range(6)]
    for _ in range(3):
        half.learn()
    again.restore(checkpoint.load(checkpoint.save(tmp_path, 3, half.content())))
    assert [float(again.learn().loss.total) for _ in range(3)] == expected[3:]
    for ours, theirs in zip(again.policy.parameters(), whole.policy.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_environments_that_cannot_go_on_begin_anew(make_agent):
    agent, again = make_agent(), make_agent()
    agent.learn()
    again.restore(agent.content() | {"environment": None})
    assert again.actor.begins.all()
    assert again.updates == 1


def test_what_is_not_finite_is_not_learned(make_agent):
    agent = make_agent()
    with torch.no_grad():
        agent.policy.value.bias.fill_(float("nan"))
    before = agent.policy.policy.weight.clone()
    with pytest.raises(TrainingError, match="after 0 segments the loss is nan"):
        agent.learn()
    assert torch.equal(agent.policy.policy.weight, before)


@pytest.mark.parametrize(
    "algorithm", [A2C(learning_rate=0.02), PPO(learning_rate=0.02, epochs=2, minibatches=1)]
)
def test_it_learns_on_which_side_the_goal_is(make_agent, algorithm):
    agent = make_agent(algorithm=algorithm, number=32, steps=4)
    returns = [agent.learn().finished.returns.mean() for _ in range(60)]
    assert returns[0] < 2
    assert returns[-1] > 3.5
