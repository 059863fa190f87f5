"""How long a cell takes to be ready: measured in processes of their own, over a cache folder.

`python -m ostinato.bench.compile_time T` is such a process: it prints the seconds of the first
calls of two cells.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import torch

from ostinato.bench.machine import Company, crowded
from ostinato.bench.result import CompileRow
from ostinato.bench.steps import LSTMStep
from ostinato.cells.layer_norm_lstm import LayerNormLSTMCell
from ostinato.core.cell import Cell
from ostinato.core.errors import OstinatoError
from ostinato.experiments.stopwatch import seconds
from ostinato.over.time import RNN

STEPS = (64, 4096)
_HIDDEN = 64


def compile_rows(steps: int) -> Iterator[CompileRow]:
    """For one number of steps, first with an empty cache, then with what was left there."""
    with tempfile.TemporaryDirectory(prefix="ostinato-bench-") as folder:
        for cache in ("cold", "warm"):
            company = Company()
            first, following = _in_process(steps, folder)
            busy = crowded(1, company.cores())
            yield CompileRow(steps, cache, first, following, busy)


def _in_process(steps: int, folder: str) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(steps)],
        env=os.environ | {"OSTINATO_CACHE": folder},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise OstinatoError(f"The time of compilation could not be measured: {done.stderr}")
    first, following = json.loads(done.stdout)
    return first, following


def ready_seconds(cell: Cell, steps: int) -> float:
    """Seconds of the first training pass of a cell beyond those of its second."""
    layer, x = RNN(cell, "fused"), torch.randn(1, steps, _HIDDEN)
    first, second = (seconds(lambda: layer(x)[0].sum().backward()) for _ in range(2))
    return first - second


def main(steps: int) -> None:
    """Print the seconds for the first and for a further cell of this process."""
    torch.set_num_threads(1)
    cells = (LSTMStep(_HIDDEN, _HIDDEN), LayerNormLSTMCell(_HIDDEN, _HIDDEN))
    print(json.dumps([ready_seconds(cell, steps) for cell in cells]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
