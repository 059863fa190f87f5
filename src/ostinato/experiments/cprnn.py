"""Second-order networks of bounded rank: parity, and text at equal numbers of parameters.

M. Lizaire, M. Rizvi-Martel, M. Gamal Abdel Hameed, G. Rabusseau, "A Tensor Decomposition
Perspective on Second-order RNNs", ICML 2024, arXiv 2406.05045.

The paper scores Penn Treebank by characters over budgets of 8 k to 6.7 M parameters, as a figure
without a table; here it is Python's standard library, or a text of the user's, at one budget. It
chooses (H, R) of CPRNN for each budget, and so do the ranks here.
"""

from __future__ import annotations

from dataclasses import dataclass

from ostinato.experiments import cprnn_language, cprnn_parity
from ostinato.experiments.experiment import Experiment, Measurement, Track

__papers__ = ("cprnn",)


@dataclass(frozen=True)
class Scale:
    """Sizes of the parts.

    Attributes:
        parity: of the automaton.
        language: of the text.
        data: a text file or folder in the place of the standard library; None: that.
    """

    parity: cprnn_parity.Size
    language: cprnn_language.Size
    data: str | None = None


def _language(scale: Scale, seeds: int, track: Track) -> Measurement:
    return cprnn_language.measure(scale.language, seeds, track, scale.data)


EXPERIMENT = Experiment(
    slug="cprnn",
    title="Second-order networks: parity, and text at equal parameters",
    claims=(*cprnn_parity.CLAIMS, *cprnn_language.CLAIMS),
    scales={
        "small": Scale(
            cprnn_parity.Size(updates=600),
            cprnn_language.Size(29_000, (8, 34, 110), 64, 500, rate=1e-2, characters=100_000),
        ),
        "paper": Scale(
            cprnn_parity.Size(updates=3000),
            cprnn_language.Size(
                430_000, (32, 210, 560), 128, 40_000, rate=2e-3, characters=300_000
            ),
        ),
    },
    measure={
        "parity": lambda scale, *how: cprnn_parity.measure(scale.parity, *how),
        "language": _language,
    },
)
