"""Beam search: the likeliest sequences of a model that predicts one symbol after another.

Of every row the best W unfinished sequences are kept. Each is continued by its W likeliest symbols;
what ends is put aside, the best W of the rest go on, and the states follow their sequences. A row
is done when W sequences have ended and no unfinished one can overtake them, or at the limit, where
those that have not ended compete as they are. Sequences are compared by log p / length^α. A width
of 1 is greedy decoding.

Source: Sutskever, Vinyals & Le 2014, "Sequence to sequence learning with neural networks",
arXiv 1409.3215; length^α: Graves 2012, arXiv 1211.3711 (α = 1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError
from ostinato.core.state import State, map_state

__papers__ = ("rnn-survey",)

Predict = Callable[[Tensor, State], tuple[Tensor, State]]
"""`(symbols (B,), state) -> (logits (B, K), state)`."""


@dataclass(frozen=True)
class Hypotheses:
    """The best sequences of every row, best first.

    Attributes:
        symbols: (B, W, limit), without the symbol that ends a sequence, which fills the rest.
        lengths: (B, W), without that symbol.
        scores: log p / length^α (B, W), where the length counts it; −∞: there are no more.
    """

    symbols: Tensor
    lengths: Tensor
    scores: Tensor

    def best(self, row: int = 0) -> list[int]:
        """The best sequence of a row."""
        found: list[int] = self.symbols[row, 0, : int(self.lengths[row, 0])].tolist()
        return found

    def of(self, index: Tensor) -> Hypotheses:
        """Those at `index` (B, W)."""
        picked = index[..., None].expand(*index.shape, self.symbols.shape[-1])
        return Hypotheses(
            self.symbols.gather(1, picked),
            self.lengths.gather(1, index),
            self.scores.gather(1, index),
        )

    def joined(self, others: Hypotheses) -> Hypotheses:
        """The best W of these and others."""
        both = Hypotheses(
            torch.cat([self.symbols, others.symbols], 1),
            torch.cat([self.lengths, others.lengths], 1),
            torch.cat([self.scores, others.scores], 1),
        )
        return both.of(both.scores.topk(self.scores.shape[1], 1).indices)


@torch.no_grad()
def beam_search(
    predict: Predict,
    state: State,
    *,
    begin: int,
    end: int,
    limit: int,
    width: int = 10,
    alpha: float = 0.0,
) -> Hypotheses:
    """Search for the likeliest sequences.

        state = model.encode(source)
        found = beam_search(model.step, state, begin=0, end=1, limit=20, width=10)
        found.best(row=0)

    Args:
        predict: one step of the model; the logits need not be normalised.
        state: before the first step, leaves (B, ...).
        begin: the symbol that it is given first.
        end: the symbol that ends a sequence.
        limit: the most symbols of a sequence.
        width: W.
        alpha: 0 compares log p, 1 log p per symbol.

    Raises:
        ArgumentError: if `limit` or `width` is below 1, or `alpha` below 0.
    """
    if min(limit, width) < 1 or alpha < 0:
        raise ArgumentError(
            "Beam search needs limit >= 1, width >= 1 and alpha >= 0; got "
            f"{limit}, {width} and {alpha}."
        )
    logits, state = predict(_repeated(begin, state), state)
    live = _start(len(logits), width, limit, end, logits.device)
    done = replace(live, scores=torch.full_like(live.scores, -torch.inf))
    # All W begin alike: the first stands for them, and the others come into being from it.
    state = map_state(lambda leaf: leaf.repeat_interleave(width, 0), state)
    logits = logits.repeat_interleave(width, 0)
    for step in range(limit):
        if step:
            logits, state = predict(live.symbols[..., step - 1].flatten(), state)
        found = _continued(live, logits.float().log_softmax(-1), step)
        ends = found.symbols[..., step] == end
        done = done.joined(_judged(_only(found, ends), step + 1, alpha))
        left = _only(found, ~ends)
        kept = left.scores.topk(width, 1).indices
        live = replace(left.of(kept), lengths=torch.full_like(kept, step + 1))
        state = _follow(state, kept, found.scores.shape[1] // width)
        # What may come cannot score higher than now, at the greatest length that there can be.
        if bool((done.scores[:, -1] >= live.scores[:, 0] / limit**alpha).all()):
            return done
    return done.joined(_judged(live, limit, alpha))


def greedy(predict: Predict, state: State, *, begin: int, end: int, limit: int) -> Hypotheses:
    """Always the likeliest symbol: beam search of width 1; see there."""
    return beam_search(predict, state, begin=begin, end=end, limit=limit, width=1)


def ensemble(members: Sequence[Predict]) -> Predict:
    """A step that averages the probabilities of several; its state is the tuple of theirs."""

    def predict(symbols: Tensor, states: State) -> tuple[Tensor, State]:
        found = [step(symbols, state) for step, state in zip(members, states, strict=True)]
        each = torch.stack([logits.log_softmax(-1) for logits, _ in found])
        return each.logsumexp(0), tuple(state for _, state in found)

    return predict


def _repeated(begin: int, state: State) -> Tensor:
    """The first symbol of every row (B,)."""
    sizes: list[Tensor] = []
    map_state(sizes.append, state)
    return torch.full((len(sizes[0]),), begin, device=sizes[0].device)


def _start(rows: int, width: int, limit: int, end: int, device: torch.device) -> Hypotheses:
    """One empty sequence for every row."""
    scores = torch.full((rows, width), -torch.inf, device=device)
    scores[:, 0] = 0
    symbols = torch.full((rows, width, limit), end, device=device)
    return Hypotheses(symbols, torch.zeros_like(symbols[..., 0]), scores)


def _continued(live: Hypotheses, logs: Tensor, step: int) -> Hypotheses:
    """Every sequence with each of its W likeliest symbols, side by side (B, W·min(W, K)).

    Args:
        live: the sequences (B, W).
        logs: log p of each symbol (B·W, K).
        step: the place of the symbol.
    """
    width = live.scores.shape[1]
    likely, symbol = logs.topk(min(width, logs.shape[-1]), -1)
    parents = torch.arange(width, device=logs.device).repeat_interleave(symbol.shape[-1])
    found = live.of(parents.expand(len(live.scores), -1))
    found.symbols[..., step] = symbol.view_as(found.scores)
    return replace(found, scores=found.scores + likely.view_as(found.scores))


def _follow(state: State, kept: Tensor, choices: int) -> State:
    """The states of the sequences that `kept` (B, W) continues, which had `choices` each."""
    rows, width = kept.shape
    first = width * torch.arange(rows, device=kept.device)[:, None]
    parents = (first + kept // choices).flatten()
    return map_state(lambda leaf: leaf[parents], state)


def _only(found: Hypotheses, which: Tensor) -> Hypotheses:
    return replace(found, scores=found.scores.masked_fill(~which, -torch.inf))


def _judged(found: Hypotheses, length: int, alpha: float) -> Hypotheses:
    return replace(found, scores=found.scores / length**alpha)
