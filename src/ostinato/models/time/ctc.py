"""Connectionist temporal classification: label strings of sequences whose borders are unknown.

A model answers at every step with a symbol or a blank. A path of answers stands for the string
that is left when repeats are merged and blanks removed; the probability of a string is that of all
its paths, of which a length T ≥ U + (equal neighbours) has one at least.

The loss is torch's. Decoding: the best path, whose string need not be the likeliest; and a search
over prefixes, which adds up the paths of each. A prefix has two numbers, the probabilities of its
paths that end in a blank (b) and in its last symbol (n):

    b'(q)  = y_blank (b(q) + n(q))
    n'(q)  = y_last n(q)                       the last symbol goes on
    n'(qk) = y_k b(q)              if k = last(q), else y_k (b(q) + n(q))

Source: Graves, Fernández, Gomez & Schmidhuber 2006, "Connectionist temporal classification", ICML;
search over prefixes in this form: Hannun et al. 2014, arXiv 1408.2873.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ostinato.core.errors import ArgumentError

__papers__ = ("rnn-survey",)

Prefix = tuple[int, ...]


def ctc_loss(
    logits: Tensor, targets: Tensor, lengths: Tensor | None = None, *, blank: int = 0
) -> Tensor:
    """−log p of the label strings in nats (B,); ∞ where a sequence is too short for its string.

    Args:
        logits: (B, T, K).
        targets: (B, U) int64, padded with −1.
        lengths: valid steps of each row (B,); None: all T.
        blank: the class that stands for no symbol.
    """
    batch, steps, _ = logits.shape
    given = torch.full((batch,), steps) if lengths is None else lengths
    logs = logits.log_softmax(-1).transpose(0, 1)
    # What is padded is never read, but has to be a class.
    found: Tensor = F.ctc_loss(
        logs, targets.clamp_min(0), given, (targets >= 0).sum(1), blank, reduction="none"
    )
    return found


def collapse(path: Sequence[int], blank: int = 0) -> list[int]:
    """The string of a path: repeats merged, then blanks removed."""
    return [symbol for symbol, _ in groupby(path) if symbol != blank]


def best_path(
    logits: Tensor, lengths: Tensor | Sequence[int] | None = None, blank: int = 0
) -> list[list[int]]:
    """The strings of the likeliest paths: logits (B, T, K), valid steps (B,)."""
    paths = logits.argmax(-1).tolist()
    ends = [len(path) for path in paths] if lengths is None else list(map(int, lengths))
    return [collapse(path[:end], blank) for path, end in zip(paths, ends, strict=True)]


def prefix_beam_search(
    logits: Tensor,
    width: int = 10,
    *,
    blank: int = 0,
    language_model: Callable[[Prefix, int], float] | None = None,
) -> list[tuple[Prefix, float]]:
    """The likeliest strings of one sequence with log p, best first.

    With a width that holds all prefixes the probabilities are exact; otherwise they are lower
    bounds, since paths through forgotten prefixes are missing.

    Args:
        logits: (T, K) of the valid steps.
        width: how many prefixes are kept.
        blank: the class that stands for no symbol.
        language_model: log weight of a symbol that continues a prefix, added to log p.

    Raises:
        ArgumentError: if logits are not (T, K), or `width` is below 1.
    """
    if logits.dim() != 2 or width < 1:
        raise ArgumentError(
            f"The search takes logits (T, K) of one sequence and a width >= 1; got "
            f"{tuple(logits.shape)} and {width}."
        )
    beams: dict[Prefix, tuple[float, float]] = {(): (0.0, -np.inf)}
    for logs in logits.detach().double().log_softmax(-1).tolist():
        beams = _advance(beams, logs, blank, language_model)
        ranked = sorted(beams.items(), key=lambda entry: -np.logaddexp(*entry[1]))
        beams = {prefix: pair for prefix, pair in ranked[:width] if max(pair) > -np.inf}
    return [(prefix, float(np.logaddexp(*pair))) for prefix, pair in beams.items()]


def _advance(
    beams: dict[Prefix, tuple[float, float]],
    logs: Sequence[float],
    blank: int,
    language_model: Callable[[Prefix, int], float] | None,
) -> dict[Prefix, tuple[float, float]]:
    """All continuations of the prefixes by one step, whose log p are `logs` (K)."""
    ending = defaultdict[Prefix, list[list[float]]](lambda: [[], []])
    for prefix, (in_blank, in_symbol) in beams.items():
        either = np.logaddexp(in_blank, in_symbol)
        ending[prefix][0].append(either + logs[blank])
        if prefix:
            ending[prefix][1].append(in_symbol + logs[prefix[-1]])
        for symbol, log in enumerate(logs):
            if symbol == blank:
                continue
            weight = 0.0 if language_model is None else language_model(prefix, symbol)
            before = in_blank if prefix[-1:] == (symbol,) else either
            ending[*prefix, symbol][1].append(before + log + weight)
    return {
        prefix: (_total(blanks), _total(symbols)) for prefix, (blanks, symbols) in ending.items()
    }


def _total(logs: Sequence[float]) -> float:
    return float(np.logaddexp.reduce(logs)) if logs else -np.inf


def edit_distance(found: Sequence[int], expected: Sequence[int]) -> int:
    """The fewest insertions, deletions and substitutions from one string to the other."""
    row = list(range(len(expected) + 1))
    for i, a in enumerate(found, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(expected, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]
