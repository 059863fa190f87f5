"""ParaRNN: nonlinear recurrences whose states are found for all steps together.

F. Danieli, P. Rodríguez, M. Sarabia, X. Suau, L. Zappella, "ParaRNN: Unlocking Parallel Training
of Nonlinear RNNs for Large Language Models", ICLR 2026, arXiv 2510.21450.

What the paper claims, and where it is measured: few iterations however long the sequence, with
the exact gradient (`pararnn_solves`; after training on text `pararnn_language`); tasks that a
linear recurrence cannot learn (`pararnn_parity`) or that need recall (`pararnn_recall`); speed
against the plain loop (`pararnn_speed`); language (`pararnn_language`).

Nets are trained with the engine that is fastest here, a compiled loop: on the CPU Newton's method
beats the loop in Python, not that one. Beyond the paper, parity shows where few iterations end,
and what becomes of a net whose iterations are cut at three all the same (`pararnn_fixed`).
"""

from __future__ import annotations

from dataclasses import dataclass

from ostinato.experiments import (
    pararnn_fixed,
    pararnn_language,
    pararnn_parity,
    pararnn_recall,
    pararnn_solves,
    pararnn_speed,
)
from ostinato.experiments.experiment import Experiment, Measurement, Track

__papers__ = ("pararnn",)


@dataclass(frozen=True)
class Scale:
    """Sizes of the parts.

    Attributes:
        parity: of parity.
        fixed: of parity with three iterations.
        recall: of finding what was read before.
        solves: of the iterations at the beginning.
        speed: of the comparison with loops.
        language: of the language model.
        data: a text file or folder for the language model; None: the standard library.
    """

    parity: pararnn_parity.Size
    fixed: pararnn_fixed.Size
    recall: pararnn_recall.Size
    solves: pararnn_solves.Size
    speed: pararnn_speed.Size
    language: pararnn_language.Size
    data: str | None = None

    def __post_init__(self) -> None:
        # A text that cannot be read is told before minutes of training, not after.
        if self.data is not None:
            pararnn_language.text_task(self.language, self.data)


def _language(scale: Scale, seeds: int, track: Track) -> Measurement:
    text = pararnn_language.text_task(scale.language, scale.data)
    return pararnn_language.measure(scale.language, seeds, track, text)


EXPERIMENT = Experiment(
    slug="pararnn",
    title="ParaRNN: Newton's method over time, parity, memory, speed and text",
    claims=(
        *pararnn_parity.CLAIMS,
        *pararnn_fixed.CLAIMS,
        *pararnn_recall.CLAIMS,
        *pararnn_solves.CLAIMS,
        *pararnn_speed.CLAIMS,
        *pararnn_language.CLAIMS,
    ),
    scales={
        "small": Scale(
            pararnn_parity.Size(updates=1000),
            pararnn_fixed.Size(updates=800),
            pararnn_recall.SMALL,
            pararnn_solves.Size(lengths=(2**8, 2**11, 2**14), gradient_steps=1000),
            pararnn_speed.Size((2**8, 2**10, 2**12, 2**14), longest_loop=2**10),
            pararnn_language.Size(96, 2, 16, updates=400, rate=5e-3, characters=50_000, order=3),
        ),
        "paper": Scale(
            pararnn_parity.Size(updates=1500),
            pararnn_fixed.Size(updates=1500),
            pararnn_recall.PAPER,
            pararnn_solves.Size(tuple(2**k for k in range(8, 18)), gradient_steps=10_000),
            pararnn_speed.Size(tuple(2**k for k in range(8, 17)), longest_loop=2**12),
            pararnn_language.Size(256, 4, 32, 20_000, rate=3e-3, characters=300_000, order=5),
        ),
    },
    measure={
        "parity": lambda scale, *how: pararnn_parity.measure(scale.parity, *how),
        "fixed": lambda scale, *how: pararnn_fixed.measure(scale.fixed, *how),
        "recall": lambda scale, *how: pararnn_recall.measure(scale.recall, *how),
        "solves": lambda scale, *how: pararnn_solves.measure(scale.solves, *how),
        "speed": lambda scale, *how: pararnn_speed.measure(scale.speed, *how),
        "language": _language,
    },
)
