"""DeltaProduct: states that are tracked by products of reflections.

J. Siems, T. Carstensen, A. Zela, F. Hutter, M. Pontil, R. Grazzi, "DeltaProduct: Improving
State-Tracking in Linear RNNs via Householder Products", NeurIPS 2025, arXiv 2502.10297.

What the paper claims, and where it is measured: which groups one layer tracks with how many
updates a step, within and beyond the length of training (`deltaproduct_groups`); that negative
eigenvalues are needed (everywhere, for parity in `deltaproduct_parity`); tasks of the Chomsky
hierarchy (`deltaproduct_arithmetic`); language models beyond the length of training
(`deltaproduct_language`).

The paper trains on two million words of 128 elements for 100 epochs; the small scale has 124,000
words at most, of 4 to 32 elements of S3 and S4, and the medium scale 255,000 words of 12 elements
of A5 and others as well. Its language models have 213 million parameters and read 19 billion
tokens, or more; here they have 0.16 million and read 0.2 million characters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ostinato.experiments import (
    deltaproduct_arithmetic,
    deltaproduct_groups,
    deltaproduct_language,
    deltaproduct_parity,
)
from ostinato.experiments.deltaproduct_groups import Words
from ostinato.experiments.deltaproduct_nets import Training
from ostinato.experiments.experiment import Experiment, Measurement, Track

__papers__ = ("deltaproduct",)


@dataclass(frozen=True)
class Scale:
    """Sizes of the parts.

    Attributes:
        groups: of word problems.
        parity: of parity.
        arithmetic: of modular arithmetic.
        language: of language models.
        data: a text file or folder for them; None: the standard library.
    """

    groups: deltaproduct_groups.Size
    parity: deltaproduct_parity.Size
    arithmetic: deltaproduct_arithmetic.Size
    language: deltaproduct_language.Size
    data: str | None = None


def _language(scale: Scale, seeds: int, track: Track) -> Measurement:
    return deltaproduct_language.measure(scale.language, seeds, track, scale.data)


_SMALL = Scale(
    deltaproduct_groups.Size(
        {"S3": Words(2, {4: 150, 32: 150}), "S4": Words(2, {4: 800, 8: 50, 32: 120})},
        Training(64, 8, updates=970, batch=128),
    ),
    deltaproduct_parity.Size(Training(32, 4, updates=600)),
    deltaproduct_arithmetic.Size(Training(64, 4, updates=400)),
    deltaproduct_language.Size({1: 6, 2: 4}, 64, 2, steps=128, updates=200, batch=8),
)
_LARGER = {
    group: Words(4 if group == "S5" else 2, {12: 1500}, skew=2)
    for group in ("A5", "S5", "Z60", "A4xZ5")
}

EXPERIMENT = Experiment(
    slug="deltaproduct",
    title="DeltaProduct: word problems of groups, parity, modular arithmetic, long texts",
    claims=(
        *deltaproduct_parity.CLAIMS,
        *deltaproduct_groups.CLAIMS,
        *deltaproduct_arithmetic.CLAIMS,
        *deltaproduct_language.CLAIMS,
    ),
    scales={
        "small": _SMALL,
        "medium": replace(
            _SMALL,
            groups=deltaproduct_groups.Size(
                {**_SMALL.groups.groups, **_LARGER}, Training(64, 8, updates=1500, batch=170)
            ),
        ),
        "paper": Scale(
            deltaproduct_groups.Size(
                {
                    group: Words(4 if group == "S5" else 2, {128: 5000})
                    for group in ("S3", "S4", "A5", "S5", "Z60", "A4xZ5")
                },
                Training(128, 8, updates=5000, batch=2048, rate=1e-3),
            ),
            deltaproduct_parity.Size(Training(32, 4, updates=2000)),
            deltaproduct_arithmetic.Size(
                Training(128, 8, updates=20_000, batch=128), 5, 40, 256, updates=(1, 2, 3)
            ),
            deltaproduct_language.Size(
                {1: 12, 2: 8, 3: 6}, 256, 6, steps=512, updates=20_000, batch=32, rate=1e-3
            ),
        ),
    },
    measure={
        "parity": lambda scale, *how: deltaproduct_parity.measure(scale.parity, *how),
        "groups": lambda scale, *how: deltaproduct_groups.measure(scale.groups, *how),
        "arithmetic": lambda scale, *how: deltaproduct_arithmetic.measure(scale.arithmetic, *how),
        "language": _language,
    },
)
