"""The share of torch's rate that chunks have."""

from __future__ import annotations

import pytest

from ostinato.bench import chunk_rate
from ostinato.bench.chunk_kinds import KINDS, Kind
from ostinato.bench.chunk_loop import SIZES
from ostinato.bench.chunk_rate import main, operations, rates
from ostinato.engines.fused.toolchain import find_compiler


def test_operations_are_those_of_the_products():
    # Of four steps of attention: q S and kᵀ N, and two triangles of ten numbers, nearly half of 16.
    assert operations(Kind(1, False, False), 3, 4) == (2 * 9 * 8 + 2 * 48, 2 * 9 * 16 + 5 * 48)
    attention, delta = (operations(Kind(1, False, erases), 3, 4) for erases in (False, True))
    # Erase keys read like q, and are not written.
    assert delta[0] - attention[0] == 2 * 9 * 4 + 2 * 48
    assert operations(KINDS["rwkv7"], 8, 4)[1] == 2 * 64 * (2 * 12 + 2 * 8) + 5 * 8 * 12 * 8


@pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler")
@pytest.mark.parametrize("kind", ["mamba2", "rwkv7"])
def test_both_ways_have_a_share(kind):
    found = list(rates(kind, 8, 64, 1))
    assert [rate.way for rate in found] == ["forward", "backward"]
    assert all(rate.share > 0 and rate.milliseconds > 0 for rate in found)


@pytest.mark.parametrize("loop", [False, True])
def test_the_table_has_a_line_for_each(loop, capsys, monkeypatch):
    for name in ("rates", "gains"):
        monkeypatch.setattr(chunk_rate, name, lambda *given: [given])
    main(["8", "16", *["--loop"] * loop])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 2 * len(KINDS) * (len(SIZES) if loop else 1)
    assert "rwkv7" in lines[4 + 3 * loop]
