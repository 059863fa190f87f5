"""Molecules as graphs: does one have a property, by its atoms and bonds?

Any set in the files of TUDataset (`tu_files`). The default is MUTAG: 188 nitroaromatic compounds,
two thirds of which let a bacterium mutate, with 7 kinds of atoms and 4 of bonds.

A. K. Debnath, R. L. Lopez de Compadre, G. Debnath, A. J. Shusterman, C. Hansch: Structure-activity
relationship of mutagenic aromatic and heteroaromatic nitro compounds, 1991.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ostinato.core.errors import ArgumentError
from ostinato.core.extras import extra
from ostinato.tasks.arguments import require_at_least
from ostinato.tasks.labelled_graphs import LabelledGraphsTask
from ostinato.tasks.split import stratified_split
from ostinato.tasks.tu_files import read_tu

__papers__ = ("plstm",)

FOLD_SEED = 1991
"""Decides the folds; fixed, so that scores of different seeds are on the same ones."""


class MoleculesTask(LabelledGraphsTask):
    """Name the class of a molecule; the commonest has 66.5 % of MUTAG.

    One of `folds` parts is held out, and every class is divided alike.

    Args:
        path: the folder of a TUDataset; None: MUTAG, as grakel brings it.
        fold: which part is held out, from 0.
        folds: how many there are.
        seed: what the order of the training molecules derives from.

    Attributes:
        name: of the folder.
        classes: how many answers there are.
        kinds: how many labels nodes have.
        bonds: how many labels edges have, or 0.
    """

    def __init__(
        self, path: str | None = None, fold: int = 0, folds: int = 10, seed: int = 0
    ) -> None:
        require_at_least(2, folds=folds)
        if not 0 <= fold < folds:
            raise ArgumentError(f"fold must lie in 0 … {folds - 1}; got {fold}.")
        folder = _mutag() if path is None else Path(path).expanduser()
        self.name, self.fold, self.folds = folder.name, fold, folds
        graphs = read_tu(folder)
        targets = torch.cat([each.targets for each in graphs])
        self.classes = int(targets.max()) + 1
        self.kinds = 1 + max(int(each.labels.max()) for each in graphs)
        bonds = [each.edge_labels for each in graphs if each.edge_labels is not None]
        self.bonds = int(torch.cat(bonds).max()) + 1 if bonds else 0
        parts = stratified_split(targets, [1 / folds] * (folds - 1), FOLD_SEED)
        held_out = set(parts[fold].tolist())
        split = {
            "train": [each for row, each in enumerate(graphs) if row not in held_out],
            "valid": [graphs[row] for row in sorted(held_out)],
        }
        super().__init__(split, seed)

    def describe(self) -> dict[str, Any]:
        """What every task of graphs says, the set and the fold."""
        return {**super().describe(), "set": self.name, "fold": self.fold, "folds": self.folds}


def _mutag() -> Path:
    instead = "With path= no extra is needed; SyntaxGraphsTask needs Python only."
    package = extra("grakel", "data", "MUTAG", instead)
    return Path(str(package.__file__)).parent / "tests" / "data" / "MUTAG"
