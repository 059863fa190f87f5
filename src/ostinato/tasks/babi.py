"""bAbI: read a short story and a question about it, and answer with one word.

J. Weston, A. Bordes, S. Chopra et al., "Towards AI-Complete Question Answering: A Set of
Prerequisite Toy Tasks", 2015, arXiv 1502.05698; with 1,000 questions to train on, the data of the
memory networks that A. Neelakantan et al., 2015, arXiv 1511.06807, train with gradient noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ostinato.core.errors import ArgumentError
from ostinato.tasks.arguments import require_at_least, require_one_of
from ostinato.tasks.babi_files import read_questions
from ostinato.tasks.split import epoch_rows
from ostinato.tasks.story_world import KINDS, Question, questions
from ostinato.tasks.task import Batch, Symbols, Task

_TESTED, _STORY_SEED = 1000, 1502
_Sequences = tuple[list[Tensor], Tensor]


class BabiTask(Task):
    """Answer a question after reading the sentences of a story, then the question.

    One word a step, lower case; stops and question marks are words, symbol 0 is padding. Without
    `path`: generated questions of the kinds 1 to 3, `count` of each to train on and 1,000 to test.
    With `path`: the files of the paper, kinds 1 to 20. Every tenth training question is valid.

    Args:
        path: the folder of a language, or a tar archive of it.
        kinds: the tasks that are learned together, by number.
        seed: what the order of the training questions derives from.
        count: generated questions of a kind to train on; 1,000 and 10,000 are the paper's.

    Attributes:
        words: the words, symbol k+1 is the k-th.
        answers: the answers, by number.
        stops: the symbols with which sentences end.
    """

    name = "babi"
    per_step = False
    metric = "accuracy"
    higher_is_better = True
    splits = ("valid", "test")
    inputs: Symbols
    outputs: Symbols

    def __init__(
        self,
        path: str | None = None,
        kinds: Sequence[int] = (1,),
        seed: int = 0,
        count: int = _TESTED,
    ) -> None:
        require_at_least(10, count=count)
        if not kinds or (path is None and not set(kinds) <= set(KINDS)):
            raise ArgumentError(
                f"Stories are generated for the kinds {KINDS}; got {tuple(kinds)}. Name the "
                "folder of the bAbI tasks with path= for others."
            )
        self.path, self.kinds, self.seed = path, tuple(kinds), seed
        counts = {"train": count, "test": _TESTED}
        parts = {part: _read(path, self.kinds, part, counts[part]) for part in counts}
        known = [question for part in parts.values() for question in part]
        self.words = sorted({word for question in known for word in _told(question)})
        self.answers = sorted({question.answer for question in known})
        self.stops = tuple(k for k, word in enumerate(self.words, 1) if word in ".?")
        self.inputs, self.outputs = Symbols(len(self.words) + 1), Symbols(len(self.answers))
        train = parts["train"]
        self._sequences = {
            "train": self._encode([q for k, q in enumerate(train) if k % 10]),
            "valid": self._encode(train[::10]),
            "test": self._encode(parts["test"]),
        }

    def batch(self, step: int, batch_size: int) -> Batch:
        """The next rows of the epoch: inputs (B, T), targets and lengths (B,)."""
        require_at_least(1, batch_size=batch_size)
        count = len(self._sequences["train"][0])
        return self._rows("train", epoch_rows(count, step, batch_size, self.seed))

    def held_out(self, split: str, batch_size: int) -> Iterator[Batch]:
        """The questions of a split in their order."""
        require_one_of(self.splits, split=split)
        require_at_least(1, batch_size=batch_size)
        rows = torch.arange(len(self._sequences[split][0]))
        return (self._rows(split, part) for part in torch.split(rows, batch_size))

    def describe(self) -> dict[str, Any]:
        """The kinds, the seed, the size of every split, and what the commonest answer scores."""
        facts: dict[str, Any] = {"seed": self.seed, "kinds": list(self.kinds)}
        for split, (stories, answers) in self._sequences.items():
            facts[f"{split}_questions"] = len(stories)
            facts[f"{split}_commonest_answer"] = int(answers.bincount().max()) / len(answers)
        return facts

    def _rows(self, split: str, rows: Tensor) -> Batch:
        stories, answers = self._sequences[split]
        chosen = [stories[row] for row in rows.tolist()]
        lengths = torch.tensor([len(story) for story in chosen])
        padded = torch.nn.utils.rnn.pad_sequence(chosen, batch_first=True)
        return Batch(padded, answers[rows], lengths=lengths)

    def _encode(self, asked: Sequence[Question]) -> _Sequences:
        symbol = {word: k for k, word in enumerate(self.words, 1)}
        number = {answer: k for k, answer in enumerate(self.answers)}
        stories = [torch.tensor([symbol[word] for word in _told(q)]) for q in asked]
        return stories, torch.tensor([number[question.answer] for question in asked])


def _read(path: str | None, kinds: Sequence[int], part: str, count: int) -> list[Question]:
    if path is None:
        seed = _STORY_SEED + (part == "test")
        return [question for kind in kinds for question in questions(kind, count, seed)]
    root = Path(path).expanduser()
    return [question for kind in kinds for question in read_questions(root, kind, part)]


def _told(question: Question) -> list[str]:
    return " ".join((*question.facts, question.text)).split()
