"""From a configuration to an agent."""

from __future__ import annotations

from typing import Any

import torch

from ostinato.cells import make_cell
from ostinato.core.errors import ArgumentError
from ostinato.over.time import RNN, Stack
from ostinato.tasks.rl.vector_environment import VectorEnvironment
from ostinato.train.rl.a2c import A2C
from ostinato.train.rl.agent import Agent
from ostinato.train.rl.config import AgentConfig
from ostinato.train.rl.learners import Learner, make_learner
from ostinato.train.rl.policy import RecurrentPolicy
from ostinato.train.rl.ppo import PPO
from ostinato.train.rl.scales import Scales
from ostinato.train.rtrl.learner import RTRL
from ostinato.train.seeding import step_seed

CLIPS = {"a2c": 40.0, "ppo": 0.5}
"""Bounds of the gradient's norm, if the configuration names none."""
_MOST = 2**31


def build_agent(config: AgentConfig, environment: VectorEnvironment) -> Agent:
    """The agent that the configuration describes, at the beginning of its first episodes.

    Raises:
        ArgumentError: if learning so would take more than 2 GiB, with what it would take.
    """
    policy = build_policy(config, environment.observation_size, environment.actions)
    learner = make_learner(config.learner, policy.layer)  # type: ignore[arg-type]
    _check_cost(config, learner, policy, environment)
    return Agent(
        policy,
        learner,
        build_algorithm(config),
        environment,
        steps=config.segment,
        clip=config.clip or CLIPS[config.algorithm],
        seed=config.seed,
    )


def build_policy(config: AgentConfig, observation_size: int, actions: int) -> RecurrentPolicy:
    """The policy, with weights drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(step_seed(config.seed, 0, "weights"))
        size, layers = RecurrentPolicy.input_size(observation_size, actions), list[RNN]()
        for _ in range(config.layers):
            cell = make_cell(config.cell, size, config.hidden_size, **config.cell_options)
            layers.append(RNN(cell, config.engine))
            with torch.no_grad():
                size = layers[-1].step(torch.zeros(1, size))[0].shape[-1]
        layer = layers[0] if config.layers == 1 else Stack(layers)
        scales = Scales(observation_size, config.standardise, config.reward_clip)
        return RecurrentPolicy(layer, size, actions, scales)


def build_algorithm(config: AgentConfig) -> A2C | PPO:
    """The algorithm; what the configuration leaves open is as it was published."""
    given = {"trace_decay": config.trace_decay, "learning_rate": config.learning_rate}
    options: dict[str, Any] = {name: v for name, v in given.items() if v is not None}
    options |= {"discount": config.discount, "entropy": config.entropy, "value": config.value}
    if config.algorithm == "a2c":
        return A2C(**options)
    own = {"epochs": config.epochs, "minibatches": config.minibatches}
    return PPO(**options, **own, ratio_clip=config.ratio_clip)


def _check_cost(
    config: AgentConfig,
    learner: Learner,
    policy: RecurrentPolicy,
    environment: VectorEnvironment,
) -> None:
    if not isinstance(learner, RTRL):
        return
    size = policy.input_size(environment.observation_size, environment.actions)
    cost = learner.explain(torch.zeros(environment.number, 1, size))
    if cost.memory > _MOST:
        raise ArgumentError(
            f"RTRL of {config.cell} would carry {cost.memory / 2**30:.1f} GiB, "
            f"{cost.numbers:,} numbers for each of {cost.rows} environments. Take a cell whose "
            "units do not mix, e.g. --cell ELSTM, a smaller --hidden_size, or fewer "
            "--environments."
        )
