"""FlashRNN: classical recurrences in heads, as fast as a loop over time can be.

K. Pöppel, M. Beck, S. Hochreiter, "FlashRNN: I/O-Aware Optimization of Traditional RNNs on modern
hardware", ICLR 2025, arXiv 2412.07752.

What the paper claims, and where it is measured: Elman network, LSTM, GRU and sLSTM track a state,
which gates of the input or attention do not (`flashrnn_parity`); they make language models in
heads (`flashrnn_language`); a loop that stays on chip is many times as fast as one of separate
operations, at all head sizes (`flashrnn_speed`).
"""

from __future__ import annotations

from dataclasses import dataclass

from ostinato.experiments import flashrnn_language, flashrnn_parity, flashrnn_speed
from ostinato.experiments.experiment import Experiment

__papers__ = ("flashrnn",)


@dataclass(frozen=True)
class Scale:
    """Sizes of the parts.

    Attributes:
        parity: of parity.
        language: of the language model.
        speed: of the comparison with the plain loop.
        data: a text file or folder for the language model; None: the standard library.
    """

    parity: flashrnn_parity.Size
    language: flashrnn_language.Size
    speed: flashrnn_speed.Size
    data: str | None = None


EXPERIMENT = Experiment(
    slug="flashrnn",
    title="FlashRNN: parity, text, and speed of classical recurrences in heads",
    claims=(*flashrnn_parity.CLAIMS, *flashrnn_language.CLAIMS, *flashrnn_speed.CLAIMS),
    scales={
        "small": Scale(
            flashrnn_parity.Size(updates=500),
            flashrnn_language.Size(96, 2, 16, updates=300, rate=5e-3, characters=50_000, order=3),
            flashrnn_speed.Size(head_sizes=(16, 32, 64, 128, 256, 768), steps=64),
        ),
        "paper": Scale(
            flashrnn_parity.Size(updates=1500),
            flashrnn_language.Size(256, 4, 32, 20_000, rate=3e-3, characters=300_000, order=5),
            flashrnn_speed.Size(head_sizes=(16, 32, 64, 128, 256, 768), steps=1024),
        ),
    },
    measure={
        "parity": lambda scale, *how: flashrnn_parity.measure(scale.parity, *how),
        "language": lambda scale, seeds, track: flashrnn_language.measure(
            scale.language, seeds, track, scale.data
        ),
        "speed": lambda scale, *how: flashrnn_speed.measure(scale.speed, *how),
    },
)
