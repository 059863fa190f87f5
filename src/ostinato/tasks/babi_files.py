"""The files of the bAbI tasks: numbered sentences, and questions with an answer behind a tab.

A number that begins again at 1 begins a new story. Format: J. Weston, A. Bordes, S. Chopra et al.,
"Towards AI-Complete Question Answering", 2015, arXiv 1502.05698, versions 1.1 and 1.2.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

from ostinato.core.errors import DataError
from ostinato.tasks.story_world import Question
from ostinato.tasks.text_files import read_text


def read_questions(path: Path, kind: int, part: str) -> list[Question]:
    """The questions of one task.

    Args:
        path: a folder with files such as qa1_single-supporting-fact_train.txt, or a tar archive,
            packed or not, that holds them.
        kind: the number of the task, 1 to 20.
        part: "train" or "test".

    Raises:
        DataError: if there is no such file, or a line of it is not of this format.
    """
    pattern = f"qa{kind}_*_{part}.txt"
    if path.is_dir():
        found = sorted(path.rglob(pattern))
        text = read_text(found[0]) if found else None
    else:
        text = _from_archive(path, pattern)
    if text is None:
        raise DataError(f"{path} holds no file {pattern}; it should be the folder of a language.")
    return list(parse(text, str(path)))


def parse(text: str, name: str = "the text") -> Iterator[Question]:
    """Questions of a file's text, each with the sentences of its story before it.

    Args:
        text: what the file holds.
        name: what an error calls it.

    Raises:
        DataError: if a line has no number.
    """
    facts: list[str] = []
    for place, line in enumerate(text.splitlines(), 1):
        number, _, rest = line.partition(" ")
        if not number.isdigit():
            raise DataError(f"Line {place} of {name} should begin with a number; got {line!r}.")
        if number == "1":
            facts = []
        told, *answered = rest.split("\t")
        if answered:
            yield Question(tuple(facts), _words(told), answered[0].lower())
        else:
            facts.append(_words(told))


def _from_archive(path: Path, pattern: str) -> str | None:
    try:
        with tarfile.open(path) as archive:
            for member in archive.getmembers():
                file = archive.extractfile(member) if Path(member.name).match(pattern) else None
                if file is not None:
                    return file.read().decode()
    except (OSError, tarfile.TarError) as error:
        raise DataError(
            f"{path} should be a folder or a tar archive of the bAbI tasks: {error}."
        ) from error
    return None


def _words(sentence: str) -> str:
    """Lower case, with a space before the stop."""
    return " ".join(re.findall(r"[a-z']+|[.?]", sentence.lower()))
