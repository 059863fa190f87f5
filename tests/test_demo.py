"""The command of `make demo`, in small: a cell of one's own through generated code."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from ostinato.cli.__main__ import main
from ostinato.engines.fused import toolchain

ROOT = Path(__file__).parent.parent


def demo():
    """The words behind `ostinato` in the recipe."""
    recipe = (ROOT / "Makefile").read_text().replace("\\\n", " ").split("\ndemo:", 1)[1]
    return shlex.split(recipe.splitlines()[1])[1:]


@pytest.mark.parametrize("compiler", [True, False], ids=["compiler", "no compiler"])
def test_the_demo_trains_and_writes(compiler, tmp_path, monkeypatch, capsys):
    if not compiler:
        monkeypatch.setenv("CXX", "no-such-compiler")
    toolchain.find_compiler.cache_clear()
    fused = toolchain.find_compiler() is not None
    (tmp_path / "text.txt").write_text("the quick brown fox jumps over the lazy dog.\n" * 200)
    monkeypatch.chdir(ROOT)
    words = [*demo(), f"--text={tmp_path}/text.txt", f"--out={tmp_path}/run", "--steps=3"]
    words += ["--hidden-size=8", "--batch-size=4", "--window=8", "--threads=1", "--sample=20"]
    try:
        assert main(words) == 0
    finally:
        toolchain.find_compiler.cache_clear()
    shown = capsys.readouterr()
    assert f"engine {'fused' if fused else 'reference'} (" in shown.err
    assert fused or "no C++ compiler was found" in shown.err
    assert "20 characters that it writes:" in shown.out
