"""Scans compiled for a device that is not there: registers suffice, and nothing waits.

In a process of its own, since kernels are interpreted in that of the tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import json, sys
from dataclasses import asdict
from ostinato.engines.parallel.device.ahead import resources
from ostinato.engines.parallel.device.algebra import Algebra
from ostinato.engines.parallel.device.source import Scan
found = []
for size, turned, real, summary, gradient in json.loads(sys.argv[1]):
    masks = ("identity", "cut") if gradient else ()
    algebra = Algebra(size, turned)
    scan = Scan(algebra, 1 + gradient, real, summary, masks=masks, gradient=gradient)
    found.append(asdict(resources(scan)))
print(json.dumps(found))
"""
SWEEPS = """
import json, sys
from dataclasses import asdict
sys.path.insert(0, sys.argv[2])
from tests.engines.parallel.device.cores import core_of
from ostinato.engines.fused.device.tiles import Tile
from ostinato.engines.parallel.device.ahead import sweep_resources
from ostinato.engines.parallel.device.sweep import Sweep
found = []
for name, real, backward, summary, masks in json.loads(sys.argv[1]):
    sweep = Sweep(core_of(name, 64), real, backward, summary, tuple(masks))
    found.append(asdict(sweep_resources(sweep, Tile(2, 64, 4))))
print(json.dumps(found))
"""
# Size, complex, real, summary, gradient.
SOME = [
    (1, False, "float32", False, False),
    (2, False, "float32", True, False),
    (2, False, "float32", False, True),
    (4, False, "float32", False, True),
]
ALL = [
    (size, turned, real, *kind)
    for size in (1, 2, 3, 4)
    for turned in (False, True)
    for real in ("float32", "float64")
    for kind in ((False, False), (True, False), (False, True))
]

SOME_SWEEPS = [("ParaGRU", "float32", False, False, []), ("ParaLSTM", "float32", True, False, [])]
ALL_SWEEPS = [
    (name, "float32", backward, summary, masks)
    for name in ("ParaGRU", "ParaLSTM")
    for backward in (False, True)
    for summary in (False, True)
    for masks in ([], ["identity", "cut"])
]
ROOT = Path(__file__).parents[4]


def compiled(code, given, folder):
    environment = os.environ | {"TRITON_CACHE_DIR": str(folder), "TRITON_INTERPRET": "0"}
    command = [sys.executable, "-c", code, json.dumps(given), str(ROOT)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("scans", [SOME, pytest.param(ALL, marks=pytest.mark.slow)])
def test_nothing_spills(scans, tmp_path):
    pytest.importorskip("triton")
    for scan, found in zip(scans, compiled(CODE, scans, tmp_path), strict=True):
        assert 0 < found["registers"] <= (64 if scan[0] <= 2 else 255), (scan, found)
        assert (found["spilled"], found["shared"], found["barriers"]) == (0, 0, 0), (scan, found)


@pytest.mark.parametrize("sweeps", [SOME_SWEEPS, pytest.param(ALL_SWEEPS, marks=pytest.mark.slow)])
def test_no_iteration_spills(sweeps, tmp_path):
    pytest.importorskip("triton")
    for sweep, found in zip(sweeps, compiled(SWEEPS, sweeps, tmp_path), strict=True):
        assert 0 < found["registers"] <= 128, (sweep, found)
        assert found["spilled"] == 0, (sweep, found)
