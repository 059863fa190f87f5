"""Captioning: a language model whose sentence is about a vector, e.g. the features of an image.

How the vector v comes in:

- "first_input": once, x_{−1} = W v, before the first word (Vinyals et al. 2015);
- "init_state": every leaf of the first state is tanh(W v), with a W of its own;
- "every_step": x_t = E w_t + W v (Karpathy & Fei-Fei 2015 add it likewise, at the first step);
- "merge": after the recurrence, softmax(W' tanh(h_t + W v)) (Mao et al. 2015).

Source: Vinyals, Toshev, Bengio & Erhan 2015, "Show and tell", arXiv 1411.4555; Karpathy & Fei-Fei
2015, arXiv 1412.2306; Mao et al. 2015, arXiv 1412.6632.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ostinato.core.errors import ArgumentError, nearest
from ostinato.core.state import State, leaves, map_state
from ostinato.over.layer import SequenceLayer

__papers__ = ("rnn-survey",)

INJECTIONS = ("first_input", "init_state", "every_step", "merge")
"""The ways in which a vector conditions a decoder."""


class Scene(NamedTuple):
    """Where a caption stands, and what it is about.

    Attributes:
        state: of the layer.
        vector: W v (B, E or H); None where it came in before the first word.
    """

    state: State
    vector: Tensor | None


class ConditionedDecoder(nn.Module):
    """Predict the words of a caption, given the vector that it is about.

        model = ConditionedDecoder(64, nn.Embedding(20, 32), ost.RNN(LSTMCell(32, 48)), 20)
        logits = model(features, given)                 # (B, 64), (B, U) to (B, U, 20)
        found = beam_search(model.step, model.start(features), begin=0, end=1, limit=12)

    Args:
        features: the size F of v.
        embedding: from words (B, U) to (B, U, E).
        layer: runs over the words.
        symbols: how many words there are.
        inject: one of `INJECTIONS`.

    Raises:
        ArgumentError: if `inject` is not known.
    """

    def __init__(
        self,
        features: int,
        embedding: nn.Embedding,
        layer: SequenceLayer,
        symbols: int,
        inject: str = "first_input",
    ) -> None:
        super().__init__()
        if inject not in INJECTIONS:
            raise ArgumentError(f"No injection is called {inject!r}. {nearest(inject, INJECTIONS)}")
        self.embedding, self.layer, self.inject = embedding, layer, inject
        with torch.no_grad():
            size = layer.step(embedding.weight[:1])[0].shape[-1]
        targets = [embedding.embedding_dim]
        if inject == "init_state":
            targets = [leaf[0].numel() for leaf in leaves(layer.initial_state(1))]
        elif inject == "merge":
            targets = [size]
        self.bring = nn.ModuleList(nn.Linear(features, target) for target in targets)
        self.head = nn.Linear(size, symbols)

    def start(self, vectors: Tensor) -> Scene:
        """Before the first word of captions about vectors (B, F)."""
        if self.inject == "init_state":
            maps, first = iter(self.bring), self.layer.initial_state(len(vectors))
            state = map_state(lambda leaf: torch.tanh(next(maps)(vectors)).view_as(leaf), first)
            return Scene(state, None)
        brought = self.bring[0](vectors)
        if self.inject == "first_input":
            return Scene(self.layer.step(brought)[1], None)
        return Scene(self.layer.initial_state(len(vectors)), brought)

    def forward(self, vectors: Tensor, given: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The logits (B, U, K) of every next word.

        Args:
            vectors: v (B, F).
            given: the first symbol and the caption without its last one (B, U).
            lengths: valid words of each row (B,).
        """
        state, vector = self.start(vectors)
        vector = None if vector is None else vector[:, None]
        return self._answer(self.layer(self._input(given, vector), state, lengths)[0], vector)

    def step(self, symbol: Tensor, scene: Scene) -> tuple[Tensor, Scene]:
        """One more word: symbol (B,) to logits (B, K), for `beam_search`."""
        outputs, state = self.layer.step(self._input(symbol, scene.vector), scene.state)
        return self._answer(outputs, scene.vector), scene._replace(state=state)

    def _input(self, words: Tensor, vector: Tensor | None) -> Tensor:
        x: Tensor = self.embedding(words)
        return x + vector if vector is not None and self.inject == "every_step" else x

    def _answer(self, outputs: Tensor, vector: Tensor | None) -> Tensor:
        if vector is not None and self.inject == "merge":
            outputs = torch.tanh(outputs + vector)
        logits: Tensor = self.head(outputs)
        return logits
