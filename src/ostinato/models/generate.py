"""Sampling from a model of symbols, one step at a time.

Temperature sharpens or flattens the distribution; top-k keeps the k likeliest symbols (Fan,
Lewis & Dauphin 2018, arXiv 1805.04833); top-p keeps the smallest set of likeliest symbols whose
probabilities reach p (Holtzman et al. 2019, "nucleus sampling", arXiv 1904.09751).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import torch
from torch import Generator, Tensor

from ostinato.core.errors import ArgumentError
from ostinato.core.state import State
from ostinato.models.sequence_model import SequenceModel


def generate(
    model: SequenceModel,
    prompt: Sequence[int],
    length: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    forbidden: Collection[int] = (),
    generator: Generator | None = None,
) -> Iterator[int]:
    """Continue `prompt`; each symbol is yielded as soon as it is drawn.

    Args:
        model: reads symbols and answers at every step.
        prompt: the symbols to continue, at least one.
        length: how many symbols to draw.
        temperature: 0 always takes the likeliest symbol.
        top_k: draw from the k likeliest symbols only.
        top_p: draw from the likeliest symbols that together have probability p.
        forbidden: symbols that are never drawn.
        generator: a CPU generator; the same seed gives the same symbols on every device.

    Raises:
        ArgumentError: if an option is out of its range.
    """
    _check(prompt, temperature, top_k, top_p)
    return _stream(model, prompt, length, temperature, top_k, top_p, forbidden, generator)


def distribution(
    logits: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    forbidden: Collection[int] = (),
) -> Tensor:
    """The probabilities (..., K) from which `generate` draws, given logits (..., K).

    Raises:
        ArgumentError: if all symbols are forbidden, or a logit is NaN.
    """
    logits = logits.float()
    banned = sorted(forbidden)
    if len(banned) >= logits.shape[-1] or bool(logits.isnan().any()):
        raise ArgumentError("there is no symbol to draw: all are forbidden, or the logits are NaN.")
    logits = logits.index_fill(-1, torch.tensor(banned, dtype=torch.long), -torch.inf)
    if temperature == 0:
        return torch.zeros_like(logits).scatter_(-1, logits.argmax(-1, keepdim=True), 1.0)
    ordered, order = (logits / temperature).sort(dim=-1, descending=True, stable=True)
    probabilities = ordered.softmax(-1)
    if top_k is not None:
        probabilities[..., top_k:] = 0
        probabilities /= probabilities.sum(-1, keepdim=True)
    if top_p is not None:
        # what came before, not including itself: the likeliest symbol always stays
        before = probabilities.cumsum(-1) - probabilities
        probabilities = probabilities.masked_fill(before >= top_p, 0)
    kept = torch.zeros_like(logits).scatter_(-1, order, probabilities)
    return kept / kept.sum(-1, keepdim=True)


def _stream(
    model: SequenceModel,
    prompt: Sequence[int],
    length: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    forbidden: Collection[int],
    generator: Generator | None,
) -> Iterator[int]:
    device = next(model.parameters()).device
    logits, state = _read(model, torch.tensor([list(prompt)], device=device))
    for _ in range(length):
        drawn = distribution(logits[0].cpu(), temperature, top_k, top_p, forbidden)
        symbol = torch.multinomial(drawn, 1, generator=generator)
        yield int(symbol)
        with torch.no_grad():
            logits, state = model.step(symbol.to(device), state)


@torch.no_grad()
def _read(model: SequenceModel, prompt: Tensor) -> tuple[Tensor, State]:
    """The logits (1, K) and the state after the prompt (1, P), without dropout."""
    training = model.training
    model.eval()
    try:
        outputs, state = model(prompt)
    finally:
        model.train(training)
    return outputs[:, -1], state


def _check(
    prompt: Sequence[int], temperature: float, top_k: int | None, top_p: float | None
) -> None:
    if not len(prompt):
        raise ArgumentError("the prompt is empty; give at least one symbol to continue.")
    if not 0 <= temperature < float("inf"):
        raise ArgumentError(f"temperature must be finite and >= 0, got {temperature!r}.")
    if top_k is not None and top_k < 1:
        raise ArgumentError(f"top_k must be at least 1, got {top_k!r}.")
    if top_p is not None and not 0 < top_p <= 1:
        raise ArgumentError(f"top_p must be a probability, 0 < p <= 1, got {top_p!r}.")
