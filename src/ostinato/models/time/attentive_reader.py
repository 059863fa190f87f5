"""The attentive reader: two recurrent nets read a text and a question, attention joins them.

With y_t both directions' outputs at a word of the text, and u their last ones of the question::

    m_t = tanh(W_y y_t + W_u u),    p = softmax_t(w · m_t),    r = Σ_t p_t y_t
    answer = W_a tanh(W_r r + W_q u)

Source: Hermann, Kočiský, Grefenstette et al. 2015, "Teaching Machines to Read and Comprehend",
arXiv 1506.03340; with layer-normalised LSTMs by Ba, Kiros & Hinton 2016, arXiv 1607.06450.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ostinato.core.cell import Cell
from ostinato.models.sequence_model import OneHot
from ostinato.models.time.sentences import sentences
from ostinato.over.time import Bidirectional

__papers__ = ("layer-norm",)


class AttentiveReader(nn.Module):
    """Answer the question with which a text ends.

        net = AttentiveReader(30, 6, stops=(1, 2), cell=LayerNormLSTMCell, size=48)
        answers = net(words, lengths)     # (B, T) and (B,) to (B, 6)

    Args:
        symbols: how many words there are.
        answers: how many answers.
        stops: the symbols with which sentences end; the question is the last sentence.
        cell: from input and hidden size to the cell of one direction.
        size: H of each direction.
        engine: of the recurrences.
        learn_initial_state: make the states before the first words parameters, as in the paper
            on layer normalisation.
    """

    def __init__(
        self,
        symbols: int,
        answers: int,
        stops: Sequence[int],
        cell: Callable[[int, int], Cell],
        size: int,
        engine: str = "auto",
        *,
        learn_initial_state: bool = True,
    ) -> None:
        super().__init__()
        self.stops = tuple(stops)
        self.encoder = OneHot(symbols)
        self.text, self.question = (
            Bidirectional(
                cell(symbols, size),
                cell(symbols, size),
                "pair",
                engine,
                learn_initial_state=learn_initial_state,
            )
            for _ in range(2)
        )
        self.attend_text = nn.Linear(2 * size, 2 * size)
        self.attend_question = nn.Linear(2 * size, 2 * size, bias=False)
        self.score = nn.Linear(2 * size, 1, bias=False)
        self.join_text = nn.Linear(2 * size, 2 * size)
        self.join_question = nn.Linear(2 * size, 2 * size, bias=False)
        self.answer = nn.Linear(2 * size, answers)

    def forward(self, words: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Answers to the last sentence of every row."""
        number = sentences(words, lengths, self.stops).number
        told, asked = (number > 0).sum(1), (number == 0).sum(1)
        u = self._read_question(words, told, asked)
        along, against = self.text(self.encoder(words), lengths=told)[0]
        y = torch.cat([along, against], -1)
        m = torch.tanh(self.attend_text(y) + self.attend_question(u)[:, None])
        score = self.score(m)[..., 0].masked_fill(number <= 0, -1e9)
        r = (score.softmax(-1)[:, None] @ y)[:, 0]
        answers: Tensor = self.answer(torch.tanh(self.join_text(r) + self.join_question(u)))
        return answers

    def _read_question(self, words: Tensor, begin: Tensor, size: Tensor) -> Tensor:
        """The last outputs of both directions over words begin … begin + size − 1 (B, 2H)."""
        place = torch.arange(int(size.max()), device=words.device)
        index = (begin[:, None] + place).clamp_max(words.shape[1] - 1)
        asked = self.encoder(words.gather(1, index))
        along, against = self.question(asked, lengths=size)[0]
        last = (size - 1)[:, None, None].expand(-1, 1, along.shape[-1])
        return torch.cat([along.gather(1, last)[:, 0], against[:, 0]], -1)
