"""The table of what kernels of the chunk engine need."""

from __future__ import annotations

import os

import pytest

from ostinato.bench.chunk_code import line, main
from ostinato.core.errors import EngineError
from ostinato.engines.chunk.ahead import Resources


def test_a_row_of_the_table():
    found = Resources("states", 4, 189, 0, 10240)
    assert line("key", 64, found) == ("key", "64", "states", "4", "189", "0", "10240")


def test_the_title_comes_before_what_has_to_be_compiled(capsys):
    pytest.importorskip("triton")
    if "TRITON_INTERPRET" not in os.environ:
        pytest.skip("kernels run on the device")
    with pytest.raises(EngineError, match="interprets kernels"):
        main(["64"])
    assert capsys.readouterr().out.split()[:3] == ["decay", "K", "="]
