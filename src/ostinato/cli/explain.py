"""`ostinato explain`: what the engines say to a cell."""

from __future__ import annotations

import json as jsonlib


def explain(
    cell: str,
    *,
    input_size: int = 64,
    hidden_size: int = 128,
    batch: int = 8,
    steps: int = 128,
    json: bool = False,
) -> None:
    """Show which engine would run a cell, and why not the others.

    Args:
        cell: name of the cell, e.g. LSTM, or FILE.py:CLASS for one of your own, whose file is run.
        input_size: size of the inputs.
        hidden_size: units of the cell.
        batch: rows of the batch.
        steps: steps of the sequence.
        json: print JSON.
    """
    import torch

    import ostinato as ost
    from ostinato.cells import make_cell

    layer = ost.RNN(make_cell(cell, input_size, hidden_size))
    told = ost.explain(layer, torch.zeros(batch, steps, input_size))
    print(jsonlib.dumps(told.as_dict(), indent=2) if json else told)
