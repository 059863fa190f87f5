"""The examples that people read are run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/index.md",
        "docs/cells.md",
        "docs/second_order.md",
        "docs/graphs.md",
        "docs/training.md",
        "docs/environments.md",
        "docs/reinforcement.md",
        "docs/analysis.md",
        "docs/memory.md",
        "docs/gradient-noise.md",
    ],
)
def test_examples_run(page, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), flags=re.S)
    assert blocks
    namespace = {}
    for block in blocks:
        exec(compile(block, page, "exec"), namespace)
    if page == "README.md":
        assert "chosen → fused" in capsys.readouterr().out


def test_contributing_is_short():
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) < 60
