"""A sequence cut among processes: the same states and gradients as in one piece."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ostinato.core.errors import ArgumentError
from ostinato.engines.parallel.sharded import sharded_affine_scan

from .loop import random


def test_a_group_is_needed():
    a, b, _ = random("diagonal", 4)
    with pytest.raises(ArgumentError, match="init_process_group first, or use affine_scan"):
        sharded_affine_scan(a, b, kind="diagonal")


@pytest.mark.parametrize("count", [2, 4])
def test_equals_one_piece(count, tmp_path):
    script = [sys.executable, "-m", "tests.engines.parallel.one_shard"]
    processes = [
        subprocess.Popen(
            [*script, str(rank), str(count), str(tmp_path / "store")],
            cwd=Path(__file__).parents[3],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(count)
    ]
    for process in processes:
        try:
            output, _ = process.communicate(timeout=240)
        finally:
            process.kill()
        assert "all equal" in output, output[-3000:]
