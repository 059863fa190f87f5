from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError, MissingExtraError
from ostinato.tasks.rl import make_environment
from ostinato.tasks.rl.libraries import Library

pytest.importorskip("gymnasium")

# Other libraries warn of their own ways to be used; here it is about what they give.
pytestmark = pytest.mark.filterwarnings("default")


def play(environment, steps):
    """Random actions; how many episodes ended."""
    generator, ended = torch.Generator().manual_seed(0), 0
    first = environment.reset(0)
    assert first.shape == (environment.number, environment.observation_size)
    for _ in range(steps):
        shape = (environment.number,)
        t = environment.step(torch.randint(environment.actions, shape, generator=generator))
        assert t.observation.shape == t.final_observation.shape == first.shape
        assert len(t.returns) == len(t.lengths) == int(t.over.sum())
        ended += len(t.returns)
    return ended


def test_gymnasium_itself():
    environment = make_environment("gymnasium:CartPole-v1", 3, sutton_barto_reward=True)
    assert (environment.observation_size, environment.actions) == (4, 2)
    assert play(environment, 60) > 0
    assert environment.step(torch.zeros(3, dtype=torch.long)).reward.abs().max() <= 1


def test_observations_that_are_no_boxes():
    environment = make_environment("gymnasium:Blackjack-v1", 2)
    assert environment.observation_size == 32 + 11 + 2
    assert play(environment, 20) > 0
    assert environment.reset(1).sum(1).tolist() == [3, 3]


def test_popgym():
    pytest.importorskip("popgym")
    environment = make_environment("popgym:RepeatPreviousEasy", 2)
    assert (environment.observation_size, environment.actions) == (4, 4)
    assert play(environment, 51) == 2


def test_minigrid():
    pytest.importorskip("minigrid")
    environment = make_environment("minigrid:MiniGrid-MemoryS7-v0", 2)
    fields = 7 * 7
    assert environment.observation_size == 4 + fields * (11 + 6 + 3)
    assert environment.reset(0).sum(1).tolist() == [1 + 3 * fields] * 2
    play(environment, 5)
    assert environment.frame().shape[2] == 3
    with pytest.raises(ArgumentError, match="mission of MiniGrid-GoToDoor-5x5-v0 changes"):
        make_environment("minigrid:MiniGrid-GoToDoor-5x5-v0", 1)


@pytest.mark.slow
def test_atari():
    pytest.importorskip("ale_py")
    environment = make_environment("ale:Breakout-v5", 2, shrink=10)
    assert environment.observation_size == 21 * 16 * 3
    play(environment, 10)
    assert environment.frame().shape == (210, 160, 3)


@pytest.mark.slow
def test_vizdoom(tmp_path, monkeypatch):
    pytest.importorskip("vizdoom")
    monkeypatch.chdir(tmp_path)  # where the game writes its settings
    environment = make_environment("vizdoom:VizdoomBasic-v1", 1, shrink=20)
    assert environment.observation_size == 12 * 16 * 3 + 1
    play(environment, 5)
    assert environment.frame().shape == (240, 320, 3)


def test_a_name_that_there_is_not():
    with pytest.raises(ArgumentError, match=r"no environment 'Cartpole-v1'.*nearest: CartPole-v1"):
        make_environment("gymnasium:Cartpole-v1", 1)


def test_a_library_that_is_not_installed():
    with pytest.raises(
        MissingExtraError, match=r"'absent_library': pip install 'ostinato\[atari\]"
    ):
        Library("absent_library", "atari").build("Pong-v5", 1)
