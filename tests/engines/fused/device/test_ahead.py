"""Kernels compiled for a device that is not there: nothing spills, and shared memory suffices.

In a process of its own, since kernels are interpreted in that of the tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ostinato.core.errors import EngineError
from ostinato.engines.fused.device.ahead import resources
from ostinato.engines.fused.device.target import SM_90

from ..steps import STEPS

CODE = """
import json, sys
from dataclasses import asdict
from ostinato.bench.device_code import kernel_of
from ostinato.cells import make_cell
from ostinato.engines.fused.device.ahead import resources
name, size, precision = sys.argv[1], int(sys.argv[2]), sys.argv[3]
kernel = kernel_of(make_cell(name, size, size), size, *sys.argv[4:])
print(json.dumps([asdict(found) for found in resources(kernel, 32, precision)]))
"""

# The device's compiler is stricter about types than the interpreter.
STEP_CODE = """
import json, sys
sys.path.insert(0, sys.argv[1])
import torch
from tests.engines.fused.steps import STEPS, lowered
from ostinato.engines.fused.device.ahead import resources
from ostinato.engines.fused.device.kernel import DeviceKernel
for name in sys.argv[2].split(","):
    kernel = DeviceKernel(lowered(STEPS[name])[0], torch.float32)
    assert not any(found.spilled for found in resources(kernel, 3)), name
print(json.dumps("done"))
"""


def run(code, folder, *arguments):
    environment = os.environ | {"TRITON_CACHE_DIR": str(folder), "TRITON_INTERPRET": "0"}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("name", "size", "precision"),
    [
        ("ParaGRU", 64, "ieee"),
        ("LSTM", 64, "bf16"),
        pytest.param("LSTM", 64, "ieee", marks=pytest.mark.slow),
        pytest.param("GRU", 64, "ieee", marks=pytest.mark.slow),
        pytest.param("GRU", 32, "ieee", marks=pytest.mark.slow),
        pytest.param("LSTM", 32, "ieee", marks=pytest.mark.slow),
        pytest.param("LSTM", 128, "ieee", marks=pytest.mark.slow),
        pytest.param("LSTM", 64, "tf32x3", marks=pytest.mark.slow),
        pytest.param("GRU", 64, "tf32x3", marks=pytest.mark.slow),
    ],
)
def test_nothing_spills(name, size, precision, tmp_path):
    found = run(CODE, tmp_path, name, str(size), precision)
    assert [each["name"] for each in found] == ["forward", "forward_saving", "backward"]
    for each in found:
        assert 0 < each["registers"] <= 255
        assert each["spilled"] == 0, each
        assert each["shared"] <= SM_90.shared


@pytest.mark.parametrize(
    "name", ["Elman", *(pytest.param(n, marks=pytest.mark.slow) for n in ("LayerNormLSTM", "GRU"))]
)
def test_nothing_spills_between_products(name, tmp_path):
    for each in run(CODE, tmp_path, name, "2048", "ieee"):
        assert each["name"][-2:] in ("_0", "_1")
        assert each["spilled"] == 0, each


@pytest.mark.parametrize(
    ("name", "size", "precision", "least"),
    [
        ("Elman", 128, "tf32", 128 * 8 * 4),
        # 8 of 512 units, with 4 gates, are 64 KiB for each program.
        pytest.param("LSTM", 512, "tf32", 4 * 512 * 8 * 4, marks=pytest.mark.slow),
        pytest.param("LSTM", 128, "tf32x3", 2 * 4 * 128 * 8 * 4, marks=pytest.mark.slow),
        pytest.param("GRU", 1024, "ieee", 0, marks=pytest.mark.slow),
    ],
)
def test_what_programs_share_stays_on_chip(name, size, precision, least, tmp_path):
    found = run(CODE, tmp_path, name, str(size), precision, "persistent")
    assert [each["name"] for each in found] == ["forward", "forward_saving", "backward"]
    for each in found:
        assert each["tile"]["units"] == 8
        assert each["spilled"] == 0, each
        assert least <= each["shared"] <= SM_90.shared


ROOT = Path(__file__).parents[4]
SOME = (
    "unary.sign", "unary.erf", "unary.clip_gradient", "pointwise.logical", "product.per_head",
    "product.low_rank", "reduction.softmax_first", "rearrangement.unflatten", "move.roll_two",
)  # fmt: skip


def test_steps_of_every_kind_compile(tmp_path):
    assert run(STEP_CODE, tmp_path, str(ROOT), ",".join(SOME)) == "done"


@pytest.mark.slow
def test_all_steps_compile(tmp_path):
    assert run(STEP_CODE, tmp_path, str(ROOT), ",".join(STEPS)) == "done"


def test_a_process_that_interprets_kernels_cannot_compile_them():
    with pytest.raises(EngineError, match="unset TRITON_INTERPRET"):
        resources(None, 1)
