"""The share of torch's rate that chunks have."""

from __future__ import annotations

import pytest

from ostinato.bench import chunk_rate
from ostinato.bench.chunk_rate import KINDS, Kind, main, operations, rates
from ostinato.core.errors import OstinatoError
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


@pytest.mark.parametrize("kind", KINDS)
def test_chunks_that_are_wrong_are_not_timed(kind, monkeypatch):
    monkeypatch.setattr(chunk_rate, "compare", None)
    right = chunk_rate.recur

    def wrong(*args, **kwargs):
        o, last = right(*args, **kwargs)
        return 1.001 * o, last

    monkeypatch.setattr(chunk_rate, "recur", wrong)
    with pytest.raises(OstinatoError, match=f"Chunks of {kind} are off single steps"):
        next(rates(kind, 8, 64, 1))


@pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler")
def test_the_table_has_a_line_for_each(capsys):
    main(["8", "--steps", "64", "--repeats", "1"])
    assert len(capsys.readouterr().out.splitlines()) == 1 + 2 * len(KINDS)
