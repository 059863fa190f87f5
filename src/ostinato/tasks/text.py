"""Language modelling of characters or bytes: the standard library's source, or any text."""

from __future__ import annotations

import math
import platform
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ostinato.core.errors import DataError
from ostinato.tasks.arguments import require_at_least, require_one_of
from ostinato.tasks.streams import held_out_windows, training_window
from ostinato.tasks.task import Batch, Symbols, Task
from ostinato.tasks.text_files import read_text, standard_library, text_files
from ostinato.tasks.vocabulary import ByteVocabulary, CharacterVocabulary, Vocabulary


class TextTask(Task):
    """Predict the next character of a text.

    The default text is the source of this Python's standard library: real code with English
    comments and docstrings, about 9.2 million characters, on every machine. It differs between
    Python versions, so `describe` names the version and the hash of the text.

    The score is an honest code length, comparable between vocabularies: bytes are summed over a
    character, and a character that the vocabulary does not know costs log2(1,114,112) bits more,
    because one would still have to be told which it is.

    Trivial scores: log2(count) bits for uniform guesses, and `ngram.ngram_bits` for counted ones
    (Python 3.11.7, n = 1 … 5: 4.44, 3.41, 2.50, 1.97, 1.79).

    Args:
        path: a UTF-8 text file (also .gz or .xz) or a folder; None: the standard library.
        valid_path: the held-out file or folder; None: of the standard library 20 of its 537 files
            (Python 3.11), of another text the last 5 %.
        pattern: which files of a folder are read.
        unit: "characters", or "bytes" of UTF-8.
        min_count: how often a character must occur in the training text to be known; None: 10, or
            less for texts shorter than 100,000 characters.
        window: how many symbols a batch reads of each stream.
        held_out_characters: how much of the held-out text is scored.

    Attributes:
        texts: the text by split, "train" and "valid".
        vocabulary: the map between text and symbols.
    """

    name = "text"
    continues = True
    metric = "bits per character"
    higher_is_better = False

    def __init__(
        self,
        path: str | None = None,
        valid_path: str | None = None,
        pattern: str = "**/*.txt",
        unit: str = "characters",
        min_count: int | None = None,
        window: int = 64,
        held_out_characters: int = 300_000,
    ) -> None:
        require_one_of(("characters", "bytes"), unit=unit)
        require_at_least(1, window=window, min_count=1 if min_count is None else min_count)
        require_at_least(2, held_out_characters=held_out_characters)
        self.path, self.valid_path, self.pattern = path, valid_path, pattern
        self.unit, self.min_count, self.window = unit, min_count, window
        self.held_out_characters = held_out_characters
        self.texts = self._read()
        self._require(self.texts["train"], "training", window + 1)
        self._require(self.texts["valid"], "held-out", 2)
        self.vocabulary = self._vocabulary()
        self.inputs = self.outputs = Symbols(self.vocabulary.count)
        self._train = self.vocabulary.encode(self.texts["train"])
        self._valid = self.vocabulary.encode(self.texts["valid"][:held_out_characters])

    def batch(self, step: int, batch_size: int) -> Batch:
        """The window of `step` in `batch_size` parallel streams: inputs and targets (B, T)."""
        return training_window(self._train, step, batch_size, self.window)

    def held_out(self, split: str, batch_size: int) -> Iterator[Batch]:
        """The held-out text in `batch_size` parallel streams."""
        require_one_of(self.splits, split=split)
        return held_out_windows(self._valid, batch_size, self.window)

    def score(self, outputs: Tensor, batch: Batch) -> tuple[float, float]:
        """Bits and characters of a batch; outputs (B, T, count)."""
        weights = batch.target_weights(self.per_step).double()
        extra = torch.from_numpy(self.vocabulary.extra_bits()).to(weights.device)
        begins = torch.from_numpy(self.vocabulary.begins()).to(weights.device)
        bits = self._losses(outputs, batch).double() / math.log(2) + extra[batch.targets]
        return float((bits * weights).sum()), float((begins[batch.targets] * weights).sum())

    def describe(self) -> dict[str, Any]:
        """Python version, vocabulary, and files, characters and sha256 of each text."""
        facts: dict[str, Any] = {
            "python": platform.python_version(),
            "unit": self.unit,
            "symbols": self.vocabulary.count,
            "files": dict(self._files),
            "held_out_characters": min(self.held_out_characters, len(self.texts["valid"])),
        }
        for split, text in self.texts.items():
            facts[f"{split}_characters"] = len(text)
            facts[f"{split}_sha256"] = sha256(text.encode()).hexdigest()
        return facts

    def _read(self) -> dict[str, str]:
        if self.path is None:
            train, valid = standard_library()
        else:
            train, valid = text_files(self.path, self.pattern), []
        if self.valid_path is not None:
            valid = text_files(self.valid_path, self.pattern)
        self._files = {"train": len(train), "valid": len(valid)}
        text = _joined(train)
        if valid:
            return {"train": text, "valid": _joined(valid)}
        cut = len(text) * 95 // 100
        return {"train": text[:cut], "valid": text[cut:]}

    def _require(self, text: str, part: str, length: int) -> None:
        if len(text) < length:
            source = self.path or "the standard library"
            raise DataError(
                f"The {part} text of {source} has {len(text)} characters; at least {length} are "
                "needed. Give a longer text, a smaller window=, or a valid_path= of its own."
            )

    def _vocabulary(self) -> Vocabulary:
        if self.unit == "bytes":
            return ByteVocabulary()
        text = self.texts["train"]
        usual = min(10, len(text) // 10_000)
        return CharacterVocabulary.of(text, usual if self.min_count is None else self.min_count)


def _joined(files: list[Path]) -> str:
    return "".join(map(read_text, files))
