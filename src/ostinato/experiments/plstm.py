"""pLSTM: linear recurrence over grids and graphs that reaches far and extrapolates.

K. Pöppel, R. Freinschlag, T. Schmied, W. Lin, S. Hochreiter, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS 2025, arXiv 2506.11997.

What the paper claims, and where it is measured: an image model that says on larger pictures, too,
whether an arrow points at a disc (`plstm_arrows`); signals that stay bounded over any distance in
either mode (`plstm_paths`); graphs (`plstm_trees`). ImageNet is out of reach here.
"""

from __future__ import annotations

from dataclasses import dataclass

from ostinato.experiments import plstm_arrows, plstm_paths, plstm_trees
from ostinato.experiments.experiment import Experiment, Measurement, Track

__papers__ = ("plstm",)


@dataclass(frozen=True)
class Scale:
    """Sizes of the parts.

    Attributes:
        arrows: of arrow pointing.
        paths: of the signals on a grid.
        trees: of the syntax trees.
    """

    arrows: plstm_arrows.Size
    paths: plstm_paths.Size
    trees: plstm_trees.Size


def measure(scale: Scale, seeds: int, track: Track) -> Measurement:
    """All parts, one after the other."""
    parts = (
        plstm_arrows.measure(scale.arrows, seeds, track),
        plstm_paths.measure(scale.paths, seeds, track),
        plstm_trees.measure(scale.trees, seeds, track),
    )
    values = {claim: value for part in parts for claim, value in part.values.items()}
    return Measurement(values, [panel for part in parts for panel in part.panels])


EXPERIMENT = Experiment(
    slug="plstm",
    title="pLSTM: arrows on larger grids, signals over distance, syntax trees",
    claims=(*plstm_arrows.CLAIMS, *plstm_paths.CLAIMS, *plstm_trees.CLAIMS),
    scales={
        "small": Scale(
            plstm_arrows.Size(updates=1000, control_updates=1500),
            plstm_paths.Size(),
            plstm_trees.Size(updates=150),
        ),
        "paper": Scale(
            plstm_arrows.Size(4000, 10_000, positions=True),
            plstm_paths.Size(side=64),
            plstm_trees.Size(updates=600, width=96),
        ),
    },
    measure=measure,
)
