"""Kernels compiled for a device that is not there.

In a process of its own, since kernels are interpreted in that of the tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from ostinato.core.errors import EngineError
from ostinato.engines.chunk.ahead import resources
from ostinato.engines.fused.device.target import SM_90

pytest.importorskip("triton")

CODE = """
import json
from ostinato.engines.chunk.ahead import resources
print(json.dumps([found._asdict() for found in resources(64, 64)]))
"""


@pytest.mark.slow
def test_the_device_can_run_them():
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for found in json.loads(done.stdout):
        assert found["spilled"] == 0, found
        assert found["shared"] <= SM_90.shared


def test_not_where_kernels_are_interpreted():
    if "TRITON_INTERPRET" not in os.environ:
        pytest.skip("kernels run on the device")
    with pytest.raises(EngineError, match="interprets kernels"):
        resources(64, 64)
