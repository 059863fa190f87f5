import json
import math
import time

import numpy as np
import pytest

from ostinato.core.errors import DataError
from ostinato.tasks.vocabulary import (
    ByteVocabulary,
    CharacterVocabulary,
    code_points,
    vocabulary_from,
)

TEXT = "aäb€\U0001f40d\na"


def test_rare_characters_are_symbol_zero():
    vocabulary = CharacterVocabulary.of("aaabbc", min_count=2)
    assert vocabulary.characters == "ab"
    assert vocabulary.count == 3
    assert vocabulary.encode("abc\U0001f40d").tolist() == [1, 2, 0, 0]
    assert vocabulary.decode([1, 0, 2]) == "a\N{REPLACEMENT CHARACTER}b"


def test_characters_come_back():
    vocabulary = CharacterVocabulary.of(TEXT, min_count=1)
    assert vocabulary.decode(vocabulary.encode(TEXT)) == TEXT


def test_bytes_come_back():
    vocabulary = ByteVocabulary()
    assert vocabulary.encode(TEXT).tolist() == list(TEXT.encode())
    assert vocabulary.decode(vocabulary.encode(TEXT)) == TEXT
    assert vocabulary.decode([0x61, 0xFF]) == "a\N{REPLACEMENT CHARACTER}"


def test_one_byte_of_each_character_begins_it():
    vocabulary = ByteVocabulary()
    assert vocabulary.begins()[vocabulary.encode(TEXT)].sum() == len(TEXT)


def test_only_the_unknown_costs_more():
    assert CharacterVocabulary("ab").extra_bits().tolist() == [math.log2(1_114_112), 0, 0]
    assert not ByteVocabulary().extra_bits().any()


@pytest.mark.parametrize("vocabulary", [CharacterVocabulary("ab€"), ByteVocabulary()])
def test_survives_json(vocabulary):
    again = vocabulary_from(json.loads(json.dumps(vocabulary.as_dict())))
    assert again.count == vocabulary.count
    assert np.array_equal(again.encode(TEXT), vocabulary.encode(TEXT))


def test_refuses_another_description():
    with pytest.raises(DataError, match="'words'"):
        vocabulary_from({"unit": "words"})


def test_code_points():
    assert code_points(TEXT).tolist() == [ord(character) for character in TEXT]


def test_ten_million_characters_take_less_than_a_second():
    text = TEXT * 1_500_000
    vocabulary = CharacterVocabulary.of(TEXT, min_count=1)
    start = time.process_time()
    vocabulary.encode(text)
    assert time.process_time() - start < 1
