"""BLEU: how many n-grams of given sentences occur in sentences that were written for reference.

    BLEU = min(1, exp(1 − r/c)) (Π_n p_n)^{1/N},  n = 1 … N

p_n is the share of n-grams of all candidates that a reference holds, each at most as often as one
of its references does; c counts the words of the candidates, r those of the references that come
closest to them in length (of two, the shorter).

Source: Papineni, Roukos, Ward & Zhu 2002, "BLEU: a Method for Automatic Evaluation of Machine
Translation", ACL. Counts are of the whole corpus; there is no smoothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from ostinato.core.errors import ArgumentError

__papers__ = ("rnn-survey",)

Sentence = Sequence[str]


def bleu(
    candidates: Sequence[Sentence], references: Sequence[Sequence[Sentence]], order: int = 4
) -> float:
    """BLEU-N of a corpus, from 0 to 1.

    Args:
        candidates: sentences, as words.
        references: for each of them one sentence or more.
        order: N.

    Raises:
        ArgumentError: if there are not as many references as candidates, or none.
    """
    precisions = [precision(candidates, references, n) for n in range(1, order + 1)]
    if min(precisions) == 0:
        return 0.0
    written = sum(map(len, candidates))
    wanted = sum(_closest(*pair) for pair in zip(candidates, references, strict=True))
    mean = math.fsum(map(math.log, precisions)) / order
    return math.exp(min(0.0, 1 - wanted / written) + mean)


def precision(
    candidates: Sequence[Sentence], references: Sequence[Sequence[Sentence]], n: int
) -> float:
    """The share p_n of n-grams that the references hold; 0 if there are none."""
    if not candidates or len(candidates) != len(references) or not all(references):
        raise ArgumentError(
            f"BLEU compares each candidate with one reference or more; got {len(candidates)} "
            f"candidates and references for {len(list(filter(None, references)))}."
        )
    found, count = 0, 0
    for candidate, known in zip(candidates, references, strict=True):
        grams, most = _grams(candidate, n), Counter[tuple[str, ...]]()
        for sentence in known:
            most |= _grams(sentence, n)
        found += (grams & most).total()
        count += grams.total()
    return found / count if count else 0.0


def _grams(sentence: Sentence, n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(sentence[k : k + n]) for k in range(len(sentence) - n + 1))


def _closest(candidate: Sentence, references: Sequence[Sentence]) -> int:
    """The length of the reference that is as long as the candidate, or nearly."""
    size = len(candidate)
    return min(map(len, references), key=lambda length: (abs(length - size), length))
