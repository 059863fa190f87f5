from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.tasks.rl import environment_names, make_environment
from ostinato.tasks.rl.vector_environment import ResumableEnvironment


def act(environment, steps, generator):
    """Random transitions, one after the other."""
    for _ in range(steps):
        shape = (environment.number,)
        yield environment.step(torch.randint(environment.actions, shape, generator=generator))


def seeded():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("name", environment_names())
def test_transitions_are_of_the_sizes_and_types_promised(name):
    environment = make_environment(name, 5)
    first = environment.reset(0)
    assert (first.shape, first.dtype) == ((5, environment.observation_size), torch.float32)
    assert isinstance(environment, ResumableEnvironment)
    ended = 0
    for t in act(environment, 130, seeded()):
        assert t.observation.shape == t.final_observation.shape == first.shape
        assert t.reward.shape == t.terminated.shape == t.truncated.shape == (5,)
        assert (t.reward.dtype, t.terminated.dtype) == (torch.float32, torch.bool)
        assert not (t.terminated & t.truncated).any()
        assert len(t.returns) == len(t.lengths) == int(t.over.sum())
        assert torch.equal(t.observation[~t.over], t.final_observation[~t.over])
        ended += len(t.returns)
    assert ended >= 5


@pytest.mark.parametrize("name", environment_names())
def test_a_seed_says_all_and_another_says_something_else(name):
    def play(seed):
        environment = make_environment(name, 6)
        seen = [environment.reset(seed)]
        return torch.stack(seen + [t.observation for t in act(environment, 120, seeded())])

    assert torch.equal(play(1), play(1))
    assert not torch.equal(play(1), play(2))


@pytest.mark.parametrize("name", environment_names())
def test_episodes_go_on_bit_by_bit_from_a_state(name):
    environment, generator = make_environment(name, 4), seeded()
    environment.reset(3)
    list(act(environment, 45, generator))
    state, drawn = environment.state_dict(), generator.get_state()
    once = list(act(environment, 70, generator))
    other = make_environment(name, 4)
    other.load_state_dict(state)
    generator.set_state(drawn)
    for a, b in zip(once, act(other, 70, generator), strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert sum(len(t.returns) for t in once) > 0


@pytest.mark.parametrize("name", environment_names())
def test_returns_and_lengths_are_those_of_the_episodes(name):
    environment = make_environment(name, 3)
    environment.reset(0)
    sums, steps = torch.zeros(3), torch.zeros(3, dtype=torch.long)
    for t in act(environment, 140, seeded()):
        sums, steps = sums + t.reward, steps + 1
        torch.testing.assert_close(t.returns, sums[t.over])
        assert torch.equal(t.lengths, steps[t.over])
        sums[t.over], steps[t.over] = 0, 0


@pytest.mark.parametrize("name", environment_names())
def test_a_picture_shows_the_first_environment_and_changes_with_it(name):
    environment = make_environment(name, 2)
    environment.reset(0)
    pictures = {environment.frame().tobytes()}
    for _ in act(environment, 20, seeded()):
        pictures.add(environment.frame().tobytes())
    picture = environment.frame()
    assert picture.dtype == "uint8"
    assert picture.shape[2] == 3
    assert len(pictures) >= 3


def test_a_reset_without_a_seed_draws_other_episodes():
    environment = make_environment("masked_cart_pole", 2)
    assert not torch.equal(environment.reset(0), environment.reset())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tmaze", {}, "no environment 'tmaze'. Did you mean 't_maze'"),
        ("t_maze", {"size": 3}, "takes no option 'size'. .*Known: length, limit"),
        ("gymnasum:CartPole-v1", {}, "library 'gymnasum'. Did you mean 'gymnasium'"),
        ("t_maze", {"length": 0}, "length must be at least 1"),
        ("repeat_previous", {"k": 52}, "k must be below the number of cards, 52"),
    ],
)
def test_what_cannot_be_made(name, options, message):
    with pytest.raises(ArgumentError, match=message):
        make_environment(name, 2, **options)
