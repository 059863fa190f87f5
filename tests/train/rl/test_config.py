from __future__ import annotations

import pytest

from ostinato.core.errors import ArgumentError
from ostinato.train.rl.algorithm import ALGORITHMS
from ostinato.train.rl.config import AgentConfig, Algorithms, Learners
from ostinato.train.rl.learners import LEARNERS


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("environments", 0),
        ("segment", 0),
        ("steps", 0),
        ("entropy", -0.1),
        ("discount", 1.5),
        ("trace_decay", -1.0),
        ("clip", 0.0),
        ("reward_clip", float("nan")),
        ("schedule", "linaer"),
        ("algorithm", "pp0"),
        ("learner", "bptt"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_flag(field, value):
    with pytest.raises(ArgumentError, match=f"--{field}"):
        AgentConfig(**{field: value})


def test_what_may_be_chosen_is_what_there_is():
    assert Algorithms.__args__ == ALGORITHMS
    assert Learners.__args__ == LEARNERS


def test_a_minibatch_has_an_environment_at_least():
    with pytest.raises(ArgumentError, match="--minibatches must be at most --environments, 3"):
        AgentConfig(algorithm="ppo", environments=3, minibatches=4)
    assert AgentConfig(environments=3, segment=5).segment_steps == 15
