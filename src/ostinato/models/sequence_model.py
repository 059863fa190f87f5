"""A model of sequences: what is read becomes vectors, a layer runs over time, a head answers.

The layer may be any `SequenceLayer`, so every cell and every engine serves here.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from ostinato.core.errors import ArgumentError
from ostinato.core.state import State
from ostinato.models.attention_mask import Turned
from ostinato.over.layer import SequenceLayer


class OneHot(nn.Module):
    """Symbols (...) as unit vectors (..., count).

    The layer's own input matrix then holds one learned vector for every symbol, which is an
    embedding of the layer's full width without a second matrix.

    Args:
        count: how many symbols there are.
    """

    one: Tensor

    def __init__(self, count: int):
        super().__init__()
        self.count = count
        # follows the dtype of the model, as a parameter would
        self.register_buffer("one", torch.ones(()), persistent=False)

    def forward(self, symbols: Tensor) -> Tensor:
        """(...) int64 to (..., count)."""
        return F.one_hot(symbols, self.count).to(self.one.dtype)

    def extra_repr(self) -> str:
        """The number of symbols, for `print`."""
        return str(self.count)


class SequenceModel(nn.Module):
    """outputs = head(layer(encoder(x))).

        model = SequenceModel(OneHot(100), ost.RNN(cells.LSTMCell(100, 384)), nn.Linear(384, 100))
        logits, state = model(symbols)              # symbols (B, T), logits (B, T, 100)
        logits, state = model.step(symbol, state)   # symbol (B,), logits (B, 100)

    Args:
        encoder: from inputs (B, T) or (B, T, D) to the layer's inputs (B, T, E).
        layer: runs over time.
        head: from the layer's outputs (..., H) to the answers (..., K).
        per_step: answer at every step; False: once, after the last valid step.
        dropout: probability of dropping a unit before the layer and before the head, in training.
    """

    def __init__(
        self,
        encoder: nn.Module,
        layer: SequenceLayer,
        head: nn.Module,
        *,
        per_step: bool = True,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.encoder, self.layer, self.head = encoder, layer, head
        self.per_step, self.dropout = per_step, dropout

    def forward(
        self,
        x: Tensor,
        state: State | None = None,
        lengths: Tensor | None = None,
        resets: Tensor | None = None,
        generator: Generator | None = None,
        return_stats: bool = False,
        *,
        cu_seqlens: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> tuple[Any, ...]:
        """Run over whole sequences.

        Args:
            x: symbols (B, T) or values (B, T, D).
            state: state before the first step; None: the layer's initial one.
            lengths: (B,) valid steps of each row.
            resets: (B, T) bool, true where a new sequence begins.
            generator: source of dropout and of the layer's noise; None: torch's own.
            return_stats: also return the `Statistics` of the call, as of a layer.
            cu_seqlens: (N+1,) borders of sequences end to end in x (1, total); answers are
                (1, total, K), or (N, K) after the last step of each, and states (N, ...).
            attention_mask: (B, T), true or 1 where a row is valid, which is in one piece; padding
                may stand before it, where lengths have it behind.

        Returns:
            Answers, (B, T, K) or (B, K), the state after the last step, and with `return_stats`
            the statistics.

        Raises:
            ArgumentError: if more than one of lengths, borders and mask is given.
            ShapeError: if a mask has holes, or what is given does not fit x.
        """
        if attention_mask is not None:
            if lengths is not None or cu_seqlens is not None:
                raise ArgumentError("attention_mask already says where rows end: drop the others.")
            turned = Turned(attention_mask, *x.shape[:2])
            resets = None if resets is None else turned.there(resets)
            given = (turned.there(x), state, turned.lengths, resets, generator, return_stats)
            answers, *rest = self(*given)
            return (turned.back(answers) if self.per_step else answers, *rest)
        encoded = self._drop(self.encoder(x), generator)
        told = {"cu_seqlens": cu_seqlens, "generator": generator, "return_stats": return_stats}
        hidden, *rest = self.layer(encoded, state, lengths, resets, **told)
        if not self.per_step and cu_seqlens is not None:
            hidden = hidden[0, cu_seqlens[1:].to(hidden.device) - 1]
        elif not self.per_step:
            hidden = _last_valid(hidden, lengths)
        return (self.head(self._drop(hidden, generator)), *rest)

    def step(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """One step of a stream, without dropout: x (B,) or (B, D) to (B, K) and the new state."""
        hidden, state = self.layer.step(self.encoder(x), state)
        return self.head(hidden), state

    def initial_state(self, batch_size: int) -> State:
        """The state before the first step, leaves (batch_size, ...)."""
        return self.layer.initial_state(batch_size)

    def _drop(self, x: Tensor, generator: Generator | None) -> Tensor:
        if not (self.training and self.dropout):
            return x
        keep = torch.empty_like(x).bernoulli_(1 - self.dropout, generator=generator)
        return x * keep / (1 - self.dropout)

    def extra_repr(self) -> str:
        """The options, for `print`."""
        options: dict[str, Any] = {"per_step": self.per_step, "dropout": self.dropout}
        return ", ".join(f"{name}={value}" for name, value in options.items())


def _last_valid(hidden: Tensor, lengths: Tensor | None) -> Tensor:
    """(B, T, H) to (B, H): each row at its own last step."""
    if lengths is None:
        return hidden[:, -1]
    rows = torch.arange(hidden.shape[0], device=hidden.device)
    return hidden[rows, lengths.to(hidden.device) - 1]
