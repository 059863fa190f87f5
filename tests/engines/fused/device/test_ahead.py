"""Kernels compiled for a device that is not there: nothing spills, and shared memory suffices.

In a process of its own, since kernels are interpreted in that of the tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from ostinato.core.errors import EngineError
from ostinato.engines.fused.device.ahead import MOST_SHARED, resources

CODE = """
import json, sys
from dataclasses import asdict
from ostinato.bench.device_code import kernel_of
from ostinato.cells import make_cell
from ostinato.engines.fused.device.ahead import resources
name, size, precision = sys.argv[1], int(sys.argv[2]), sys.argv[3]
kernel = kernel_of(make_cell(name, size, size), size)
print(json.dumps([asdict(found) for found in resources(kernel, 32, precision)]))
"""


def compiled(name, size, precision, folder):
    environment = os.environ | {"TRITON_CACHE_DIR": str(folder), "TRITON_INTERPRET": "0"}
    command = [sys.executable, "-c", CODE, name, str(size), precision]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("name", "size", "precision"),
    [
        ("ParaGRU", 64, "ieee"),
        ("LSTM", 64, "ieee"),
        pytest.param("GRU", 64, "ieee", marks=pytest.mark.slow),
        pytest.param("GRU", 32, "ieee", marks=pytest.mark.slow),
        pytest.param("LSTM", 32, "ieee", marks=pytest.mark.slow),
        pytest.param("LSTM", 128, "ieee", marks=pytest.mark.slow),
        pytest.param("LSTM", 64, "tf32x3", marks=pytest.mark.slow),
        pytest.param("GRU", 64, "tf32x3", marks=pytest.mark.slow),
    ],
)
def test_nothing_spills(name, size, precision, tmp_path):
    found = compiled(name, size, precision, tmp_path)
    assert [each["name"] for each in found] == ["forward", "forward_saving", "backward"]
    for each in found:
        assert 0 < each["registers"] <= 255
        assert each["spilled"] == 0, each
        assert each["shared"] <= MOST_SHARED


def test_a_process_that_interprets_kernels_cannot_compile_them():
    with pytest.raises(EngineError, match="unset TRITON_INTERPRET"):
        resources(None, 1)
