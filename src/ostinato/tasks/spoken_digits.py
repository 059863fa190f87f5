"""Spoken digits as raw audio: long sequences of one number a step.

The Free Spoken Digit Dataset: recordings of 0 … 9 at 8 kHz, 50 of each digit and speaker, of which
0–4 are its test part.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ostinato.core.errors import ArgumentError, DataError
from ostinato.tasks.arguments import require_at_least, require_one_of
from ostinato.tasks.labelled import LabelledTask
from ostinato.tasks.text_files import read_bytes

_FULL = 32768.0
"""The largest sample of 16 bits."""
_QUIETEST = 1 / _FULL
"""The root mean square below which a recording is silence, and stays so."""


@dataclass(frozen=True)
class Clip:
    """A recording.

    Attributes:
        audio: samples in [−1, 1].
        digit: what is said.
        speaker: who says it.
        index: which of the 50 repetitions it is.
    """

    audio: npt.NDArray[np.float32]
    digit: int
    speaker: str
    index: int


class SpokenDigitsTask(LabelledTask):
    """Name the digit, or the speaker, after hearing a recording sample by sample.

    The first `steps` samples of each recording, padded with zeros: inputs (B, steps, 1), as
    recorded in [−1, 1]. Repetitions 0–4 are "test", 5–9 "valid". Trivial score: the commonest
    class.

    Args:
        path: a folder with files {digit}_{speaker}_{index}.wav, 16 bits mono, or with one .npz or
            .npz.xz that holds audio, offsets, digit, speaker, index and speakers; or that file.
        label: "digit", 10 classes, or "speaker".
        steps: T.
        seed: what the order of the training recordings derives from.
        level: "recorded", or "equal": each recording divided by its root mean square. As recorded
            that is 0.05 in the mean, small beside the biases that a network begins with.
    """

    name = "spoken_digits"

    def __init__(
        self,
        path: str | None = None,
        label: str = "digit",
        steps: int = 4096,
        seed: int = 0,
        level: str = "recorded",
    ) -> None:
        require_one_of(("digit", "speaker"), label=label)
        require_one_of(("recorded", "equal"), level=level)
        require_at_least(1, steps=steps)
        if path is None:
            raise ArgumentError(
                "The task 'spoken_digits' needs path=, the folder of the Free Spoken Digit "
                "Dataset's recordings. 'digits' and the generated tasks need none."
            )
        self.path, self.label, self.steps, self.level = path, label, steps, level
        clips = list(_clips(Path(path).expanduser()))
        speakers = sorted({clip.speaker for clip in clips})
        parts: dict[str, list[Clip]] = {"train": [], "valid": [], "test": []}
        for clip in clips:
            parts[_split(clip)].append(clip)
        for split, members in parts.items():
            if not members:
                raise DataError(f"{path} has no recording for {split!r}: 0–4 test, 5–9 valid.")
        sequences = {
            split: (
                torch.from_numpy(np.stack([self._fit(clip.audio) for clip in members])),
                torch.tensor(
                    [c.digit if label == "digit" else speakers.index(c.speaker) for c in members]
                ),
            )
            for split, members in parts.items()
        }
        super().__init__(sequences, 10 if label == "digit" else len(speakers), seed)

    def describe(self) -> dict[str, Any]:
        """What every labelled task says, what is named, T, and the level."""
        options = {"label": self.label, "steps": self.steps, "level": self.level}
        return {**super().describe(), **options}

    def _fit(self, audio: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The first steps (T, 1), padded with zeros."""
        if self.level == "equal":
            audio = audio / np.sqrt(np.square(audio).mean() + _QUIETEST**2)
        head = audio[: self.steps]
        return np.pad(head, (0, self.steps - len(head)))[:, None]


def _split(clip: Clip) -> str:
    return "test" if clip.index < 5 else "valid" if clip.index < 10 else "train"


def _clips(path: Path) -> Iterator[Clip]:
    if path.is_file():
        yield from _archive(path)
        return
    archives, files = sorted(path.glob("*.npz*")), sorted(path.glob("*_*_*.wav"))
    if not archives and not files:
        raise DataError(f"{path} holds no recording {{digit}}_{{speaker}}_{{index}}.wav, no .npz.")
    if archives:
        yield from _archive(archives[0])
        return
    for file in files:
        digit, speaker, index = file.stem.split("_")
        if not (digit.isdecimal() and index.isdecimal() and int(digit) < 10):
            raise DataError(f"{file} should be named {{digit}}_{{speaker}}_{{index}}.wav.")
        yield Clip(_read_wave(file), int(digit), speaker, int(index))


def _archive(path: Path) -> Iterator[Clip]:
    with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as held:
        missing = {"audio", "offsets", "digit", "speaker", "index", "speakers"} - set(held.files)
        if missing:
            raise DataError(f"{path} lacks {', '.join(sorted(missing))}.")
        audio, names = held["audio"].astype(np.float32) / _FULL, held["speakers"]
        ends = zip(held["offsets"][:-1], held["offsets"][1:], strict=True)
        facts = zip(ends, held["digit"], held["speaker"], held["index"], strict=True)
        for (begin, end), digit, speaker, index in facts:
            yield Clip(audio[begin:end], int(digit), str(names[speaker]), int(index))


def _read_wave(path: Path) -> npt.NDArray[np.float32]:
    try:
        with wave.open(str(path)) as file:
            layout = (file.getnchannels(), file.getsampwidth())
            content = file.readframes(file.getnframes())
    except (wave.Error, EOFError, OSError) as error:
        raise DataError(f"{path} cannot be read as a wave file: {error}.") from error
    if layout != (1, 2):
        raise DataError(
            f"{path} should be mono, 16 bits; it has {layout[0]} channels of {8 * layout[1]} bits."
        )
    return np.frombuffer(content, "<i2").astype(np.float32) / _FULL
