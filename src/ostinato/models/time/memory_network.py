"""The end-to-end memory network: attention to the sentences of a story, hop after hop.

With m_i and c_i a sentence's vectors as a key and as a value, both new at every hop::

    p_i = softmax_i(u · m_i),    u ← u + Σ_i p_i c_i            K hops, from the question's u
    answer = W u
    m_i = Σ_j l_j ⊙ A x_ij + T_A(i),    l_kj = (1 − j/J) − (k/d) (1 − 2j/J)

A is the same table as C of the hop before, T alike; i counts sentences from the newest. A hop is a
step of a recurrence over u, whose inputs are the sentences. With `linear` the softmax is left out,
in which the training begins ("linear start").

Source: Sukhbaatar, Szlam, Weston & Fergus 2015, "End-To-End Memory Networks", NeurIPS, arXiv
1503.08895; trained with gradient noise by Neelakantan et al. 2015, arXiv 1511.06807.
Deviation: W is a matrix of its own instead of the last C, since answers are numbered apart from
words; no empty memories are mixed in at random.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ostinato.core.cell import Cell
from ostinato.models.time.sentences import sentences
from ostinato.over.time import RNN

__papers__ = ("gradient-noise",)

Memory = tuple[Tensor, Tensor, Tensor]


class MemoryHop(Cell):
    """One look at a memory; the state is u (B, d), and so is the output.

    Args:
        width: d.

    Attributes:
        linear: without the softmax.

    Shapes: x is keys (B, N, d), values (B, N, d), and 1 where there is a sentence, else 0 (B, N).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width, self.linear = width, False
        # follows the dtype and the device of the network, as a parameter would
        self.register_buffer("one", torch.ones(()), persistent=False)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros (B, d); a network begins with its question."""
        return self.zeros(batch_size, self.width)

    def forward(self, x: Memory, u: Tensor) -> tuple[Tensor, Tensor]:
        """One hop."""
        keys, values, there = x
        score = (keys * u[:, None]).sum(-1)
        if not self.linear:
            score = torch.where(there > 0.5, score, -1e9).softmax(-1)
        share = score * there
        u = u + (share[:, :, None] * values).sum(1)
        return u, u


class MemoryNetwork(nn.Module):
    """Answer the question with which a story ends.

    Args:
        symbols: how many words there are.
        answers: how many answers.
        stops: the symbols with which sentences end.
        width: d.
        hops: K.
        memories: how many sentences before the question are seen, the newest.
        engine: of the recurrence over hops.

    Shapes: words (B, T) and lengths (B,) to answers (B, answers).
    """

    def __init__(
        self,
        symbols: int,
        answers: int,
        stops: Sequence[int],
        width: int = 20,
        hops: int = 3,
        memories: int = 50,
        engine: str = "auto",
    ) -> None:
        super().__init__()
        self.symbols, self.stops, self.memories = symbols, tuple(stops), memories
        self.hop = MemoryHop(width)
        self.hops = RNN(self.hop, engine)
        self.tables = nn.Parameter(torch.empty(hops + 1, symbols, width).normal_(std=0.1))
        self.times = nn.Parameter(torch.empty(hops + 1, memories, width).normal_(std=0.1))
        self.answer = nn.Linear(width, answers, bias=False)
        nn.init.normal_(self.answer.weight, std=0.1)

    def linear(self, on: bool) -> None:
        """Leave the softmax over sentences out, or put it back."""
        self.hop.linear = on

    def forward(self, words: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Answers to the last sentence of every row."""
        vectors, there = self._read(words, lengths)
        facts = vectors[:, 1:].movedim(2, 1) + self.times
        hops = len(self.tables) - 1
        shown = there[:, None, 1:].expand(-1, hops, -1)
        # The question is read through the table of the first keys.
        _, u = self.hops((facts[:, :-1], facts[:, 1:], shown), vectors[:, 0, 0])
        answers: Tensor = self.answer(u)
        return answers

    def _read(self, words: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """Sentences through every table (B, N, K+1, d), newest first, and which there are (B, N).

        The weight l is linear in k/d, so that a sentence is two bags of words, each multiplied
        once with all tables.
        """
        found = sentences(words, lengths, self.stops)
        seen = (found.number >= 0) & (found.number <= self.memories)
        # Never fewer sentences than there is room for: each number of them is a step of its own,
        # for which code would be generated anew.
        count = self.memories + 1
        ratio = found.place / found.size
        index = torch.where(seen, found.number * self.symbols + words, 0)
        bags = [
            ratio.new_zeros(len(words), count * self.symbols)
            .scatter_add_(1, index, torch.where(seen, weight, 0.0))
            .view(len(words), count, self.symbols)
            for weight in (1 - ratio, 2 * ratio - 1, torch.ones_like(ratio))
        ]
        plain, tilted, counted = bags
        width = self.tables.shape[-1]
        tilt = torch.arange(1, width + 1, device=words.device) / width
        tables = self.tables.movedim(0, 1).flatten(1)
        products = (bag.to(tables.dtype) @ tables for bag in (plain, tilted))
        whole, slope = (torch.unflatten(product, -1, (-1, width)) for product in products)
        return whole + tilt * slope, (counted.sum(-1) > 0).to(tables.dtype)

    def extra_repr(self) -> str:
        """The sizes, for `print`."""
        hops, symbols, width = self.tables.shape
        return f"{symbols}, width={width}, hops={hops - 1}, memories={self.memories}"
