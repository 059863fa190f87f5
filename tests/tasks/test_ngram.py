import lzma
import math
import time
from collections import Counter
from pathlib import Path

import pytest

from ostinato.core.errors import DataError
from ostinato.tasks.ngram import ngram_bits
from ostinato.tasks.text import TextTask

SHAKESPEARE = Path(__file__).parents[3] / "shared/data/tinyshakespeare/input.txt.xz"


def by_definition(train, test, n):
    grams = [Counter(train[i : i + k] for i in range(len(train) - k + 1)) for k in range(n + 1)]
    alphabet = {*train, *test}

    def probability(context, character):
        shorter = probability(context[1:], character) if context else 1 / len(alphabet)
        after = {c: grams[len(context) + 1][context + c] for c in alphabet}
        total, kinds = sum(after.values()), sum(count > 0 for count in after.values())
        return (after[character] + kinds * shorter) / (total + kinds) if total else shorter

    spans = ((test[max(0, i - n + 1) : i], test[i]) for i in range(len(test)))
    return -sum(math.log2(probability(*span)) for span in spans) / len(test)


@pytest.mark.parametrize(
    ("train", "test"),
    [("abracadabra", "cadabrax"), ("aaaaa", "b"), ("abcde", "eeee"), ("to be or not", "be to on")],
)
def test_is_witten_bell(train, test):
    expected = [by_definition(train, test, n) for n in range(1, 6)]
    assert ngram_bits(train, test) == pytest.approx(expected, abs=1e-12)


def test_too_short():
    with pytest.raises(DataError, match="5 or more"):
        ngram_bits("abc", "abc")
    with pytest.raises(DataError, match="one to predict; got 10 and 0"):
        ngram_bits("a" * 10, "")


@pytest.mark.skipif(not SHAKESPEARE.exists(), reason="needs shared/data")
def test_tinyshakespeare():
    text = lzma.decompress(SHAKESPEARE.read_bytes()).decode()
    bits = ngram_bits(text[: len(text) * 90 // 100], text[len(text) * 95 // 100 :])
    assert [round(b, 2) for b in bits] == [4.85, 3.60, 3.04, 2.68, 2.55]


@pytest.mark.slow
def test_standard_library():
    task = TextTask()
    start = time.process_time()
    bits = ngram_bits(task.texts["train"], task.texts["valid"][:300_000])
    assert time.process_time() - start < 30
    assert bits == sorted(bits, reverse=True)
    if task.describe()["python"] == "3.11.7":
        assert [round(b, 2) for b in bits] == [4.44, 3.41, 2.50, 1.97, 1.79]
