from __future__ import annotations

import torch

from ostinato.train.rl.policy import Judgement, RecurrentPolicy


def test_the_last_action_and_reward_are_read_with_what_is_seen(make_layer):
    policy = RecurrentPolicy(make_layer(), 6, 4)
    seen = torch.tensor([[1.0, 2, 3], [4, 5, 6]])
    x = policy.inputs(seen, torch.tensor([2, 0]), torch.tensor([-1.0, 0.5]))
    assert x.tolist() == [[1, 2, 3, 0, 0, 1, 0, -1], [4, 5, 6, 1, 0, 0, 0, 0.5]]
    assert policy.inputs(seen).tolist() == [[1, 2, 3, 0, 0, 0, 0, 0], [4, 5, 6, 0, 0, 0, 0, 0]]


def test_a_step_is_a_step_of_the_sequence(make_layer):
    policy, x = RecurrentPolicy(make_layer(), 6, 4), torch.randn(5, 3, 8)
    hidden, _ = policy.layer(x)
    whole, state = policy.judge(hidden), None
    for step in range(3):
        judged, state = policy.step(x[:, step], state)
        torch.testing.assert_close(judged.values, whole.values[:, step])
        torch.testing.assert_close(judged.log_probabilities, whole.log_probabilities[:, step])


def test_actions_are_drawn_as_they_are_likely():
    policy = RecurrentPolicy(torch.nn.Identity(), 1, 3)
    probabilities = torch.tensor([0.2, 0.0, 0.8])
    judged = Judgement(probabilities.log().expand(4000, 3), torch.zeros(4000))
    drawn = policy.act(judged, torch.Generator().manual_seed(0)).bincount(minlength=3) / 4000
    torch.testing.assert_close(drawn, probabilities, atol=0.03, rtol=0)


def test_of_a_judgement():
    judged = Judgement(torch.tensor([[0.25, 0.75], [0.5, 0.5]]).log(), torch.zeros(2))
    assert judged.of(torch.tensor([1, 0])).exp().tolist() == [0.75, 0.5]
    torch.testing.assert_close(judged.entropy[1], torch.tensor(2.0).log())


def test_at_first_no_action_is_preferred(make_layer):
    policy = RecurrentPolicy(make_layer(), 6, 4)
    judged, _ = policy.step(torch.randn(5, 8))
    torch.testing.assert_close(
        judged.log_probabilities.exp(), torch.full((5, 4), 0.25), atol=0.01, rtol=0
    )
