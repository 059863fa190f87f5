"""Text from a trained model, as it is drawn."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from ostinato.core.errors import ArgumentError
from ostinato.models.generate import generate
from ostinato.tasks.vocabulary import Vocabulary, vocabulary_from
from ostinato.train.build import Trained


def continue_text(
    trained: Trained, prompt: str, length: int, seed: int, **options: Any
) -> Iterator[str]:
    """Continue `prompt`; each piece of text is yielded as soon as it is drawn.

    Args:
        trained: a model of text.
        prompt: what to continue.
        length: how many symbols to draw.
        seed: of the draws.
        **options: temperature, top_k and top_p of `ostinato.models.generate.generate`.

    Raises:
        ArgumentError: if the model is not one of text, or an option is out of its range.
    """
    if trained.vocabulary is None:
        raise ArgumentError(
            f"Only a model of text continues one; this one was trained on {trained.config.task!r}. "
            "Measure it instead: ostinato evaluate."
        )
    vocabulary = vocabulary_from(trained.vocabulary)
    symbols = generate(
        trained.model,
        vocabulary.encode(prompt).tolist(),
        length,
        # Symbol 0 says "some unknown character", which nobody could read.
        forbidden={0} if vocabulary.unit == "characters" else (),
        generator=torch.Generator().manual_seed(seed),
        **options,
    )
    return _decoded(vocabulary, symbols)


def _decoded(vocabulary: Vocabulary, symbols: Iterable[int]) -> Iterator[str]:
    if vocabulary.unit == "bytes":
        # A character may arrive in several bytes; it is shown when it is whole.
        yield from codecs.iterdecode((bytes([s]) for s in symbols), "utf-8", errors="replace")
    else:
        yield from (vocabulary.decode([symbol]) for symbol in symbols)
