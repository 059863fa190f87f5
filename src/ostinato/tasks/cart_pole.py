"""Balance a pole on a cart from where they are, without seeing how fast they move.

    a = (F + m l θ̇² sin θ) / M,    M = m_cart + m_pole
    θ̈ = (g sin θ − a cos θ) / (l (4/3 − m cos² θ / M)),    ẍ = a − m l θ̈ cos θ / M

A. G. Barto, R. S. Sutton, C. W. Anderson 1983, IEEE Trans. SMC 13; half-length l, Euler steps of
0.02 s. The expert sees all four numbers and is the linear-quadratic regulator of the upright pole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Generator, Tensor

from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.environment import Environment, Perturbed
from ostinato.tasks.imitation import ImitationTask
from ostinato.tasks.task import Values

__papers__ = ("sparse-lowrank-cfc",)

_STEP, _LIMIT, _FALLEN, _AWAY = 0.02, 10.0, 0.6, 2.4
_UNIT = 10.0  # newtons that a policy's action of 1 stands for


@dataclass(frozen=True)
class Physics:
    """What the world is like.

    Attributes:
        half_length: l of the pole, in metres.
        force: by how much forces are multiplied.
        cart: its mass in kilograms.
        pole: its mass.
        gravity: g.
    """

    half_length: float = 0.5
    force: float = 1.0
    cart: float = 1.0
    pole: float = 0.1
    gravity: float = 9.8

    def advance(self, state: Tensor, force: Tensor) -> Tensor:
        """The next (x, ẋ, θ, θ̇) (..., 4) under a force (...,)."""
        _, v, angle, spin = state.unbind(-1)
        mass, lever = self.cart + self.pole, self.pole * self.half_length
        push = (self.force * force + lever * spin.square() * angle.sin()) / mass
        inertia = self.half_length * (4 / 3 - self.pole * angle.cos().square() / mass)
        turn = (self.gravity * angle.sin() - push * angle.cos()) / inertia
        pull = push - lever * turn * angle.cos() / mass
        return state + _STEP * torch.stack([v, pull, spin, turn], -1)


class CartPole(Environment):
    """Cart and pole, observed as (x, 5θ) with noise; a step that keeps both in bounds brings 1.

    Args:
        physics: of the world.
        noise: standard deviation of the observations.
    """

    def __init__(self, physics: Physics = Physics(), noise: float = 0.01) -> None:
        self.physics, self.noise = physics, noise

    def reset(self, rows: int, generator: Generator) -> Tensor:
        """Begin near the upright position at rest."""
        self._generator = generator
        self.state = 0.1 * (2 * torch.rand(rows, 4, generator=generator) - 1)
        return self._observe()

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Push with 10 newtons times the action, at most with 10."""
        force = (_UNIT * actions[:, 0]).clamp(-_LIMIT, _LIMIT)
        # A row that is over stays where it is, lest it run off to infinity.
        over = self._out()
        self.state = torch.where(over[:, None], self.state, self.physics.advance(self.state, force))
        over = self._out()
        return self._observe(), (~over).float(), over

    def _out(self) -> Tensor:
        return (self.state[:, 0].abs() >= _AWAY) | (self.state[:, 2].abs() >= _FALLEN)

    def _observe(self) -> Tensor:
        seen = self.state[:, [0, 2]] * torch.tensor([1.0, 5.0])
        return seen + self.noise * torch.randn(seen.shape, generator=self._generator)


class CartPoleTask(ImitationTask):
    """Push as the regulator does, seeing positions only.

    Demonstrations of 100 steps, whose forces N(0, 1.5²) were added to, so that they show how to
    come back; the labels are without. Tested on 250 steps.

    Args:
        demonstrations: episodes to learn from.
        seed: what all derives from.
    """

    name = "cart_pole"
    inputs, outputs = Values(2), Values(1)
    horizon = 250

    def __init__(self, demonstrations: int = 200, seed: int = 0) -> None:
        require_at_least(5, demonstrations=demonstrations)
        super().__init__(demonstrations, seed)

    def demonstrate(self, episodes: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Observations (N, 100, 2) and the expert's actions (N, 100, 1)."""
        world, seen, done = CartPole(), list[Tensor](), list[Tensor]()
        observation = world.reset(episodes, generator)
        for _ in range(100):
            action = expert(world.state)
            seen.append(observation)
            done.append(action)
            shaken = action + 1.5 / _UNIT * torch.randn(action.shape, generator=generator)
            observation = world.step(shaken)[0]
        return torch.stack(seen, 1), torch.stack(done, 1)

    def environments(self) -> Mapping[str, Environment]:
        """As trained; a longer pole, weaker pushes, noise, late and missing observations."""
        usual = Physics()
        return {
            "as trained": CartPole(),
            "pole × 5": CartPole(replace(usual, half_length=2.5)),
            "force × 0.4": CartPole(replace(usual, force=0.4)),
            "noise 0.8": Perturbed(CartPole(), noise=0.8),
            "delay 3": Perturbed(CartPole(), delay=3),
            "occlusion 0.5": Perturbed(CartPole(), occlusion=0.5),
        }


def expert(state: Tensor) -> Tensor:
    """The regulator's actions (B, 1) for states (B, 4): −K s, at most 1."""
    force = -(state @ _gain().to(state)).clamp(-_LIMIT, _LIMIT)
    return force[:, None] / _UNIT


@cache
def _gain() -> Tensor:
    """K (4,) of the discrete regulator, by iterating its Riccati equation."""
    zero = torch.zeros(4, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    a, b = torch.func.jacrev(Physics().advance, (0, 1))(*zero)
    cost, price = torch.diag(torch.tensor([1, 0.1, 10, 0.1], dtype=torch.float64)), 0.05
    ahead, gain = cost, torch.zeros_like(zero[0])
    for _ in range(2000):
        gain = (b @ ahead @ a) / (price + b @ ahead @ b)
        ahead = cost + a.T @ ahead @ (a - torch.outer(b, gain))
    return gain
