"""Encoder and decoder: one sequence is read whole, and another is written, symbol by symbol.

The state of the encoder after the last symbol of the source is where the decoder begins, layer by
layer; a source is read backwards by an encoder that runs against time, so that its first symbols
are the freshest. With attention the decoder also reads a mixture of the encoder's outputs at
every step.

    p(y_1 … y_U | x) = Π_j softmax(W h_j),   h_j of the decoder after <begin> y_1 … y_{j−1}

Source: Sutskever, Vinyals & Le 2014, "Sequence to sequence learning with neural networks", arXiv
1409.3215; attention: Bahdanau, Cho & Bengio 2014, arXiv 1409.0473.
Deviation: with attention Bahdanau et al. begin the decoder with a map of the encoder's first
backward state; here that is the argument `bridge`, if there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ostinato.core.errors import ArgumentError
from ostinato.core.sequence import valid_steps
from ostinato.core.state import State, map_state
from ostinato.over.layer import SequenceLayer
from ostinato.over.time import RNN
from ostinato.wrap.attend import Attend, Memory

__papers__ = ("rnn-survey",)


class Source(NamedTuple):
    """Where a decoder stands, and what it may attend to.

    Attributes:
        state: of the decoder.
        memory: of the source; None without attention.
    """

    state: State
    memory: Memory | None


class EncoderDecoder(nn.Module):
    """Write a sequence that depends on another one.

        encoder, decoder = ost.RNN(LSTMCell(32, 64), reverse=True), ost.RNN(LSTMCell(32, 64))
        words = nn.Embedding(12, 32), nn.Embedding(12, 32)
        model = EncoderDecoder(words[0], encoder, words[1], decoder, nn.Linear(64, 12))
        logits = model(source, given)                   # (B, S), (B, U) to (B, U, 12)
        found = beam_search(model.step, model.encode(source), begin=0, end=1, limit=20)

    Args:
        read: from symbols (B, S) of the source, or anything else, to the encoder's inputs.
        encoder: its state becomes the decoder's.
        write: from symbols (B, U) already written to the decoder's inputs.
        decoder: a layer, or an `RNN` of a cell in `Attend`.
        head: from the decoder's outputs to logits.
        bridge: makes the decoder's state of the encoder's; None: it is the same.
    """

    def __init__(
        self,
        read: nn.Module,
        encoder: SequenceLayer,
        write: nn.Module,
        decoder: SequenceLayer,
        head: nn.Module,
        bridge: Callable[[State], State] | None = None,
    ) -> None:
        super().__init__()
        self.read, self.encoder, self.write = read, encoder, write
        self.decoder, self.head, self.bridge = decoder, head, bridge
        cell = decoder.cell if isinstance(decoder, RNN) else None
        self.attention: Attend | None = cell if isinstance(cell, Attend) else None

    def encode(self, source: Tensor, lengths: Tensor | None = None) -> Source:
        """Read whole sources.

        Args:
            source: symbols (B, S), or what `read` takes.
            lengths: valid symbols of each row (B,).
        """
        outputs, state = self.encoder(self.read(source), None, lengths)
        state = state if self.bridge is None else self.bridge(state)
        if self.attention is None:
            return Source(state, None)
        valid = None
        if lengths is not None:
            valid = valid_steps(lengths.to(outputs.device), *outputs.shape[:2]).T
        return Source(state, self.attention.remember(outputs, valid))

    def forward(
        self,
        source: Tensor,
        given: Tensor,
        source_lengths: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> Tensor:
        """The logits (B, U, K) of every next symbol, with the target given as it should be.

        Args:
            source: symbols (B, S).
            given: the first symbol and the target without its last one (B, U).
            source_lengths: valid symbols of each source (B,).
            lengths: valid symbols of each target (B,).
        """
        state, memory = self.encode(source, source_lengths)
        x = self.write(given)
        if memory is not None:
            steps = x.shape[1]
            x = x, map_state(lambda leaf: _at_every_step(leaf, steps), memory)
        logits: Tensor = self.head(self.decoder(x, state, lengths)[0])
        return logits

    def step(self, symbol: Tensor, source: Source) -> tuple[Tensor, Source]:
        """Write one more symbol: symbol (B,) to logits (B, K), for `beam_search`."""
        x = self.write(symbol)
        if source.memory is not None:
            x = x, source.memory
        outputs, state = self.decoder.step(x, source.state)
        return self.head(outputs), source._replace(state=state)


def teacher_forced(target: Tensor, begin: int) -> Tensor:
    """What the decoder reads while it learns `target` (B, U): each symbol one step later.

    Raises:
        ArgumentError: if the target is not (B, U).
    """
    if target.dim() != 2:
        raise ArgumentError(f"A target is (B, U); got {tuple(target.shape)}.")
    return torch.cat([torch.full_like(target[:, :1], begin), target[:, :-1]], 1)


def _at_every_step(leaf: Tensor, steps: int) -> Tensor:
    """(B, …) as an input of every step (B, U, …), without a copy."""
    return leaf[:, None].expand(-1, steps, *leaf.shape[1:])
