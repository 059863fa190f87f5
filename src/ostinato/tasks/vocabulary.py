"""The map between text and symbols: frequent characters, or the bytes of UTF-8."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ostinato.core.errors import DataError

CODE_POINTS = 0x110000
"""How many characters Unicode can name: 1,114,112."""


class Vocabulary(Protocol):
    """Text to symbols 0 … count−1 and back."""

    unit: str

    @property
    def count(self) -> int:
        """How many symbols there are."""

    def encode(self, text: str) -> npt.NDArray[np.int32]:
        """The symbols of `text`, one for each unit."""

    def decode(self, symbols: Iterable[int]) -> str:
        """The text of `symbols`."""

    def begins(self) -> npt.NDArray[np.bool_]:
        """Whether each symbol begins a character (count,)."""

    def extra_bits(self) -> npt.NDArray[np.float64]:
        """What a reader must be told besides each symbol to know the character (count,)."""

    def as_dict(self) -> dict[str, Any]:
        """What `vocabulary_from` needs, as plain JSON."""


class CharacterVocabulary:
    """One symbol for each known character; symbol 0 stands for all others.

    Args:
        characters: the known characters; the k-th, counted from 1, is symbol k.
    """

    unit = "characters"

    def __init__(self, characters: str) -> None:
        self.characters = characters
        self._table = np.zeros(CODE_POINTS, np.int32)
        self._table[code_points(characters)] = np.arange(1, len(characters) + 1)

    @classmethod
    def of(cls, text: str, min_count: int) -> CharacterVocabulary:
        """The characters that occur at least `min_count` times in `text`, by code point."""
        counts = np.bincount(code_points(text), minlength=1)
        return cls("".join(map(chr, np.flatnonzero(counts >= max(min_count, 1)))))

    @property
    def count(self) -> int:
        """The known characters, and one symbol for the others."""
        return len(self.characters) + 1

    def encode(self, text: str) -> npt.NDArray[np.int32]:
        """The symbols of `text` (len(text),)."""
        return self._table[code_points(text)]

    def decode(self, symbols: Iterable[int]) -> str:
        """The text of `symbols`; symbol 0 becomes U+FFFD, Unicode's replacement character."""
        names = "\N{REPLACEMENT CHARACTER}" + self.characters
        return "".join(names[symbol] for symbol in symbols)

    def begins(self) -> npt.NDArray[np.bool_]:
        """Every symbol is a character (count,)."""
        return np.ones(self.count, bool)

    def extra_bits(self) -> npt.NDArray[np.float64]:
        """log2(1,114,112) bits for symbol 0, or else nothing (count,).

        Symbol 0 only says "none of the known characters": a code from which the text can be read
        back must go on to name the character. Without this a small vocabulary would score best.
        """
        return np.where(np.arange(self.count) == 0, np.log2(CODE_POINTS), 0.0)

    def as_dict(self) -> dict[str, Any]:
        """What `vocabulary_from` needs, as plain JSON."""
        return {"unit": self.unit, "characters": self.characters}


class ByteVocabulary:
    """The 256 bytes of UTF-8: no character is unknown, some take several symbols."""

    unit = "bytes"
    count = 256

    def encode(self, text: str) -> npt.NDArray[np.int32]:
        """The bytes of `text`."""
        return np.frombuffer(text.encode(), np.uint8).astype(np.int32)

    def decode(self, symbols: Iterable[int]) -> str:
        """The text of `symbols`; bytes that are not UTF-8 become U+FFFD."""
        return bytes(int(symbol) for symbol in symbols).decode(errors="replace")

    def begins(self) -> npt.NDArray[np.bool_]:
        """True but for the bytes 10xxxxxx, with which UTF-8 continues a character (256,)."""
        return np.array([byte >> 6 != 0b10 for byte in range(256)])

    def extra_bits(self) -> npt.NDArray[np.float64]:
        """Nothing: the bytes are the text (256,)."""
        return np.zeros(256)

    def as_dict(self) -> dict[str, Any]:
        """What `vocabulary_from` needs, as plain JSON."""
        return {"unit": self.unit}


def vocabulary_from(stored: dict[str, Any]) -> Vocabulary:
    """The vocabulary that `as_dict` described.

    Raises:
        DataError: if `stored` is not such a description.
    """
    match stored:
        case {"unit": "characters", "characters": str(characters)}:
            return CharacterVocabulary(characters)
        case {"unit": "bytes"}:
            return ByteVocabulary()
    raise DataError(
        "A stored vocabulary is {'unit': 'characters', 'characters': '…'} or {'unit': 'bytes'}; "
        f"got {stored!r}."
    )


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """The Unicode code point of every character of `text` (len(text),)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
