"""BLEU, on the examples of the paper that defines it."""

from __future__ import annotations

import math

import pytest

from ostinato.core.errors import ArgumentError
from ostinato.tasks.bleu import bleu, precision

REFERENCES = [
    "it is a guide to action that ensures that the military will forever heed party commands",
    "it is the guiding principle which guarantees the military forces always being under the "
    "command of the party",
    "it is the practical guide for the army always to heed the directions of the party",
]
FIRST = (
    "it is a guide to action which ensures that the military always obeys the commands of the party"
)
SECOND = "it is to insure the troops forever hearing the activity guidebook that party direct"


def words(*sentences):
    return [sentence.split() for sentence in sentences]


@pytest.mark.parametrize(("candidate", "n", "share"), [
    (FIRST, 1, 17 / 18), (FIRST, 2, 10 / 17), (SECOND, 1, 8 / 14), (SECOND, 2, 1 / 13),
])  # fmt: skip
def test_precisions_of_the_paper(candidate, n, share):
    assert precision(words(candidate), [words(*REFERENCES)], n) == pytest.approx(share)


def test_a_word_counts_as_often_as_one_reference_has_it():
    known = words("the cat is on the mat", "there is a cat on the mat")
    assert precision(words("the the the the the the the"), [known], 1) == pytest.approx(2 / 7)


def test_the_corpus_counts_and_not_its_sentences():
    candidates = words("a b c d e f", "a x")
    references = [words("a b c d e f"), words("a b")]
    whole = [7 / 8, 5 / 6, 4 / 4, 3 / 3]
    assert bleu(candidates, references) == pytest.approx(math.prod(whole) ** 0.25)


def test_what_is_short_pays_and_what_is_long_does_not():
    ten = "a b c d e f g h i j"
    assert bleu(words(ten), [words(ten)]) == 1
    assert bleu(words(ten[:-2]), [words(ten)]) == pytest.approx(math.exp(-1 / 9))
    assert bleu(words(ten[:-2]), [words(ten, "x " * 8)]) == pytest.approx(1)
    assert bleu(words(ten), [words(ten[:-2])], order=1) == pytest.approx(9 / 10)


def test_no_ngram_in_common_scores_nothing():
    assert bleu(words("a b c d"), [words("d c b a")]) == 0
    assert bleu(words("a b"), [words("a b")]) == 0


def test_each_candidate_needs_a_reference():
    for references in ([], [[]]):
        with pytest.raises(ArgumentError, match="got 1 candidates and references for 0"):
            bleu(words("a b c d"), references)
