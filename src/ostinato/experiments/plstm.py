"""pLSTM: linear recurrence over grids and graphs that reaches far and extrapolates.

K. Pöppel, R. Freinschlag, T. Schmied, W. Lin, S. Hochreiter, "pLSTM: parallelizable Linear Source
Transition Mark networks", NeurIPS 2025, arXiv 2506.11997.

What the paper claims, and where it is measured: an image model that says on larger pictures, too,
whether an arrow points at a disc (`plstm_arrows`, and from pixels at scale `paper`,
`plstm_pixels`); signals that stay bounded over any distance in either mode (`plstm_paths`); graphs,
of programs (`plstm_trees`) and of molecules (`plstm_molecules`), or, with `data`, of another
TUDataset. ImageNet is out of reach here.
"""

from __future__ import annotations

from dataclasses import dataclass

from ostinato.experiments import (
    plstm_arrows,
    plstm_molecules,
    plstm_paths,
    plstm_pixels,
    plstm_trees,
)
from ostinato.experiments.experiment import Experiment, Measurement, Track

__papers__ = ("plstm",)


@dataclass(frozen=True)
class Scale:
    """Sizes of the parts.

    Attributes:
        arrows: of arrow pointing.
        paths: of the signals on a grid.
        trees: of the syntax trees.
        molecules: of the molecules.
        pixels: of arrow pointing from pixels; None: it is left out, as it takes a device.
        data: the folder of a TUDataset in their place; None: MUTAG.
    """

    arrows: plstm_arrows.Size
    paths: plstm_paths.Size
    trees: plstm_trees.Size
    molecules: plstm_molecules.Size
    pixels: plstm_pixels.Size | None = None
    data: str | None = None


def _molecules(scale: Scale, seeds: int, track: Track) -> Measurement:
    return plstm_molecules.measure(scale.molecules, seeds, track, scale.data)


def _pixels(scale: Scale, seeds: int, track: Track) -> Measurement:
    if scale.pixels is None:
        return Measurement({}, [])
    return plstm_pixels.measure(scale.pixels, seeds, track)


EXPERIMENT = Experiment(
    slug="plstm",
    title="pLSTM: arrows on larger grids, signals over distance, syntax trees, molecules",
    claims=(
        *plstm_arrows.CLAIMS,
        *plstm_paths.CLAIMS,
        *plstm_trees.CLAIMS,
        *plstm_molecules.CLAIMS,
        *plstm_pixels.CLAIMS,
    ),
    scales={
        "small": Scale(
            plstm_arrows.Size(updates=1000, control_updates=1500),
            plstm_paths.Size(),
            plstm_trees.Size(updates=150),
            plstm_molecules.Size(updates=120),
        ),
        "paper": Scale(
            plstm_arrows.Size(4000, 10_000, positions=True),
            plstm_paths.Size(side=64),
            plstm_trees.Size(updates=600, width=96),
            # 528 updates are 100 epochs.
            plstm_molecules.Size(528, folds=10, batch=32, width=96, modes="PPDD", rate=1e-3),
            plstm_pixels.Size(),
        ),
    },
    measure={
        # Molecules are data that may be missing, which is told before minutes of training.
        "molecules": _molecules,
        "arrows": lambda scale, *how: plstm_arrows.measure(scale.arrows, *how),
        "paths": lambda scale, *how: plstm_paths.measure(scale.paths, *how),
        "trees": lambda scale, *how: plstm_trees.measure(scale.trees, *how),
        "pixels": _pixels,
    },
)
