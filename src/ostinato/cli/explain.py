"""`ostinato explain`: what the engines say to a cell."""

from __future__ import annotations

import json as jsonlib
from typing import Any

from ostinato.core.errors import ArgumentError, nearest

_DTYPES = ("float32", "float64", "bfloat16", "float16")


def explain(
    cell: str,
    *,
    input_size: int = 64,
    hidden_size: int = 128,
    cell_options: dict[str, Any] | None = None,
    batch: int = 8,
    steps: int = 128,
    engine: str = "auto",
    dtype: str = "float32",
    device: str = "cpu",
    json: bool = False,
) -> None:
    """Show which engine would run a cell, and why not the others.

    Args:
        cell: name of the cell, e.g. LSTM, or FILE.py:CLASS for one of your own, whose file is run.
        input_size: size of the inputs.
        hidden_size: units of the cell.
        cell_options: options of the cell, e.g. '{"heads": 4}'.
        batch: rows of the batch.
        steps: steps of the sequence.
        engine: the engine to ask for, e.g. parallel, which tells its iterations too.
        dtype: precision of the cell and of its inputs; float32, float64, bfloat16 or float16.
        device: where they lie; cpu, or cuda, where engines tell how long they expect to take.
        json: print JSON.

    Raises:
        ArgumentError: if there is no such cell, option or dtype, or no such device here.
    """
    import torch

    import ostinato as ost
    from ostinato.cells import make_cell

    if dtype not in _DTYPES:
        raise ArgumentError(f"No precision is called {dtype!r}. {nearest(dtype, _DTYPES)}")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ArgumentError(f"torch finds no CUDA device here, and --device is {device}.")
    made = make_cell(cell, input_size, hidden_size, **(cell_options or {}))
    layer = ost.RNN(made, engine).to(device, getattr(torch, dtype))
    # Not zeros, on which Newton's method would have nothing to do.
    x = torch.randn(batch, steps, input_size, generator=torch.Generator().manual_seed(0))
    told = ost.explain(layer, x.to(device, getattr(torch, dtype)))
    print(jsonlib.dumps(told.as_dict(), indent=2) if json else told)
