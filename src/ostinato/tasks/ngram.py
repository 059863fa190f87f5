"""Witten–Bell interpolated n-grams: what a text costs without a neural network.

I. H. Witten, T. C. Bell: The zero-frequency problem, IEEE Transactions on Information Theory 37,
1991 (method C). With N(h) the count of the context h in the training text and U(h) the number of
different characters seen after it,

    p_n(c | h) = (count(h c) + U(h) p_{n−1}(c | h')) / (N(h) + U(h)),

h' is h without its first character, p_0 is uniform over the alphabet, and a context that never
occurred gives p_n = p_{n−1}. The alphabet is the characters of both texts together, so that every
character can be coded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ostinato.core.errors import DataError
from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.vocabulary import CharacterVocabulary

_Ids = npt.NDArray[np.int64]


def ngram_bits(train: str, test: str, order: int = 5) -> list[float]:
    """Bits per character of `test` under n-grams counted on `train`, for n = 1 … `order`.

    Args:
        train: the text to count.
        test: the text to predict; its first characters see as much context as there is.
        order: the longest n-gram.

    Raises:
        DataError: if the texts are too short to hold an n-gram and a character.
    """
    require_at_least(1, order=order)
    if len(train) < order or not test:
        raise DataError(
            f"{order}-grams need {order} or more characters to count and one to predict; "
            f"got {len(train)} and {len(test)}."
        )
    vocabulary = CharacterVocabulary("".join(sorted({*train, *test})))
    seen, asked = (vocabulary.encode(text).astype(np.int64) - 1 for text in (train, test))
    size = vocabulary.count - 1
    probability = np.full(len(asked), 1 / size)
    # A context is the number of its n-gram in the sorted table of one order below; −1: never seen.
    context, asked_context = np.zeros_like(seen), np.zeros_like(asked)
    bits = []
    for n in range(order):
        table, grams = _Table.of(context * size + seen[n:], size)
        asked_grams = table.find(asked_context, asked)
        probability = table.interpolate(asked_context, asked_grams, probability)
        bits.append(float(-np.log2(probability).mean()))
        context, asked_context = grams[:-1], np.append(-1, asked_grams[:-1])
    return bits


@dataclass
class _Table:
    size: int
    keys: _Ids  # context · size + character of every n-gram that occurred, sorted
    counts: _Ids
    totals: _Ids  # N(h) by context
    followers: _Ids  # U(h) by context

    @classmethod
    def of(cls, grams: _Ids, size: int) -> tuple[_Table, _Ids]:
        keys, ids, counts = np.unique(grams, return_inverse=True, return_counts=True)
        contexts = keys // size
        totals = np.bincount(contexts, weights=counts).astype(np.int64)
        return cls(size, keys, counts, totals, np.bincount(contexts)), ids

    def find(self, context: _Ids, character: _Ids) -> _Ids:
        """The number of each n-gram, or −1."""
        wanted = context * self.size + character
        place = np.searchsorted(self.keys, wanted).clip(max=len(self.keys) - 1)
        return np.where((self.keys[place] == wanted) & (context >= 0), place, -1)

    def interpolate(
        self, context: _Ids, grams: _Ids, shorter: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        # The last context of the training text may have no follower: it counts as never seen.
        known = (context >= 0) & (context < len(self.totals))
        at = np.where(known, context, 0)
        count = np.where(grams >= 0, self.counts[grams], 0)
        total, followers = self.totals[at], self.followers[at]
        mixed = (count + followers * shorter) / (total + followers).clip(min=1)
        return np.where(known & (total > 0), mixed, shorter)
