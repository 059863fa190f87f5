"""Name the suit of a card that was dealt some cards ago.

The rules of RepeatPrevious in S. Morad and others 2023, "POPGym: benchmarking partially observable
reinforcement learning", ICLR, arXiv 2303.01859. A deck of N cards is dealt one by one. Once k cards
are out, every action names the suit of the k-th last of them and brings ±1 / (N − k), so that the
best return is 1. With k = 1 that is the card in view; the memory needed is of k − 1 steps.
"""

from __future__ import annotations

import torch
from numpy import ndarray
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from ostinato.core.errors import ArgumentError
from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.rl.canvas import BLACK, BLUE, GREEN, ORANGE, RED, Canvas
from ostinato.tasks.rl.tensor_environment import TensorEnvironment, World

_SUITS = (BLUE, RED, GREEN, ORANGE)
_PACK = 52


class RepeatPrevious(TensorEnvironment):
    """Cards of four suits, seen one-hot; an action names a suit. An episode has N − 1 steps.

    Args:
        number: E.
        k: which of the last cards is asked for. POPGym's easy, medium and hard levels have 4, 32
            and 64.
        decks: packs of 52 cards that are mixed; 1, 2 and 3 at these levels.
    """

    name, observation_size, actions = "repeat_previous", 4, 4

    def __init__(self, number: int, k: int = 4, decks: int = 1) -> None:
        require_at_least(1, k=k, decks=decks)
        self.k, self.cards = k, _PACK * decks
        if k >= self.cards:
            raise ArgumentError(f"k must be below the number of cards, {self.cards}; got {k}.")
        super().__init__(number, limit=self.cards)

    def begin(self, episodes: int, generator: Generator) -> World:
        """With the first card of a shuffled deck."""
        order = torch.rand(episodes, self.cards, generator=generator).argsort(1)
        return {"suits": order % 4, "dealt": torch.ones(episodes, dtype=torch.long)}

    def advance(self, world: World, action: Tensor) -> tuple[World, Tensor, Tensor]:
        """Name a suit, then deal a card."""
        suits, dealt = world["suits"], world["dealt"]
        asked = _at(suits, (dealt - self.k).clamp(min=0))
        reward = torch.where(action == asked, 1.0, -1.0) / (self.cards - self.k)
        dealt, reward = dealt + 1, torch.where(dealt >= self.k, reward, 0.0)
        return {"suits": suits, "dealt": dealt}, reward, dealt == self.cards

    def observe(self, world: World) -> Tensor:
        """The suit of the last card, one-hot (E, 4)."""
        return one_hot(_at(world["suits"], world["dealt"] - 1), 4).float()

    def frame(self) -> ndarray:
        """The last k cards, at most 16, as coloured fields; the one asked for is framed."""
        dealt, shown = int(self.world["dealt"][0]), min(self.k, 16)
        canvas = Canvas(40, 24 * shown + 8)
        for column in range(shown):
            card, left = dealt - shown + column, 24 * column + 4
            if card < 0:
                continue
            if card == dealt - self.k:
                canvas.rectangle(2, left, 38, left + 24, BLACK)
            canvas.rectangle(5, left + 3, 35, left + 21, _SUITS[int(self.world["suits"][0, card])])
        return canvas.pixels


def _at(suits: Tensor, card: Tensor) -> Tensor:
    return suits.gather(1, card[:, None])[:, 0]
