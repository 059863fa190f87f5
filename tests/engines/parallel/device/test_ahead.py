"""Kernels compiled for a device that is not there: registers suffice, and scans do not wait.

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
sys.path.insert(0, sys.argv[2])
from tests.engines.parallel.device.cores import core_of, cores_of
from tests.engines.parallel.steps import Beside
from ostinato.engines.fused.device.tiles import Tile
from ostinato.engines.parallel.device.ahead import resources, sweep_resources
from ostinato.engines.parallel.device.algebra import Algebra
from ostinato.engines.parallel.device.look_back import LookBack
from ostinato.engines.parallel.device.source import Scan
from ostinato.engines.parallel.device.sweep import Sweep
found = []
for kind, *given in json.loads(sys.argv[1]):
    if kind == "scan":
        size, turned, real, summary, gradient = given
        masks = ("identity", "cut") if gradient else ()
        algebra, axes = Algebra(size, turned), 1 + gradient
        scan = Scan(algebra, axes, real, summary, masks=masks, gradient=gradient)
        found.append(asdict(resources(scan)))
    elif kind == "look back":
        found.append(asdict(resources(LookBack(Scan(Algebra(given[0]), 1, given[1], **given[2])))))
    else:
        name, backward, summary, masks, *stored = given
        affine = name in ("MinGRU", "LRU")
        core = cores_of(Beside())[-1] if name == "Beside" else core_of(name, 64)
        sweep = Sweep(core, "float32", backward, summary, tuple(masks), affine)
        tile = Tile(2, 64, 4) if sweep.elements > 1 else Tile(128, 1, 4)
        found.append(asdict(sweep_resources(sweep, tile, *stored)))
print(json.dumps(found))
"""
# Scans: size, complex, real, summary, gradient. Sweeps: cell, backward, summary, masks, and how
# inputs are stored.
SOME = [
    ("scan", 1, False, "float32", False, False),
    ("scan", 2, False, "float32", False, True),
    ("look back", 1, "float32", {}),
    ("sweep", "ParaGRU", False, False, [], "bfloat16"),
    ("sweep", "LRU", True, True, []),
    ("sweep", "Beside", False, False, ["identity", "cut"]),
]
ALL = (
    [
        ("scan", size, turned, real, *kind)
        for size in (1, 2, 3, 4)
        for turned in (False, True)
        for real in ("float32", "float64")
        for kind in ((False, False), (True, False), (False, True))
    ]
    + [
        ("sweep", name, backward, summary, masks)
        for name in ("ParaGRU", "ParaLSTM", "MinGRU", "LRU")
        for backward in (False, True)
        for summary in (False, True)
        for masks in ([], ["identity", "cut"])
    ]
    + [
        ("look back", size, real, {"gradient": gradient, "constant": False})
        for size in (1, 2, 4)
        for real in ("float32", "float64")
        for gradient in (False, True)
    ]
)
ROOT = Path(__file__).parents[4]


def compiled(kernels, folder):
    environment = os.environ | {"TRITON_CACHE_DIR": str(folder), "TRITON_INTERPRET": "0"}
    command = [sys.executable, "-c", CODE, json.dumps(kernels), str(ROOT)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("kernels", [SOME, pytest.param(ALL, marks=pytest.mark.slow)])
def test_nothing_spills(kernels, tmp_path):
    pytest.importorskip("triton")
    for kernel, found in zip(kernels, compiled(kernels, tmp_path), strict=True):
        # A thread may have 64 where a multiprocessor is to hold half of all threads that it can.
        small = kernel[0] == "scan" and kernel[1:4] in (
            (1, False, "float32"),
            (2, False, "float32"),
        )
        most = 64 if small else 128 if kernel[0] == "sweep" else 255
        assert 0 < found["registers"] <= most, (kernel, found)
        assert found["spilled"] == 0, (kernel, found)
        if kernel[0] == "scan":
            assert (found["shared"], found["barriers"]) == (0, 0), (kernel, found)
