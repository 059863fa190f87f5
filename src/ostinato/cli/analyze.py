"""`ostinato analyze`: what a trained model does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ostinato.core.errors import MissingExtraError


def analyze(
    run: Path,
    *,
    what: str = "lyapunov",
    layer: int = 0,
    sequences: int = 16,
    steps: int | None = 200,
    options: dict[str, Any] | None = None,
    cell: str | None = None,
    out: Path | None = None,
    seed: int = 0,
) -> None:
    """Show what a recurrent layer of a trained model does, on held-out data.

    Args:
        run: folder of a run, whose best checkpoint is taken, or a checkpoint.
        what: name of the analysis; one that is not known lists them all.
        layer: number of the layer, from 0.
        sequences: how many held-out sequences to look at.
        steps: the most steps of each; null: all.
        options: of the analysis, e.g. --options.count=5.
        cell: FILE.py:CLASS, if the model was trained with a cell of your own.
        out: folder for table (CSV) and picture (PNG); none: print the table only.
        seed: of what the analysis draws.
    """
    import torch

    from ostinato.analysis import analyze
    from ostinato.analysis.subject import Subject
    from ostinato.train.build import load_trained, task_of

    torch.manual_seed(seed)
    trained = load_trained(run, cell)
    task = task_of(trained)
    subject = Subject(trained.model, task, layer, sequences, steps if task.per_step else None)
    found = analyze(what, subject, **(options or {}))
    print(found)
    if out is not None:
        try:
            print(*found.save(out, what), sep="\n")
        except MissingExtraError as error:
            print(error, file=sys.stderr)
