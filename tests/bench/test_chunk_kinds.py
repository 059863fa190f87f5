"""What chunks are measured on."""

from __future__ import annotations

import pytest

from ostinato.bench import chunk_kinds
from ostinato.bench.chunk_kinds import KINDS, check, drawn, leaves
from ostinato.core.errors import OstinatoError


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_chunks_do_not_pass(kind, monkeypatch):
    check(kind, 4, 4)
    right = chunk_kinds.recur

    def wrong(*args, **kwargs):
        o, last = right(*args, **kwargs)
        return 1.001 * o, last

    monkeypatch.setattr(chunk_kinds, "recur", wrong)
    with pytest.raises(OstinatoError, match=f"Chunks of {kind} are off single steps"):
        check(kind, 4, 4)


def test_an_erased_key_has_one_gradient():
    plain, product = (drawn(KINDS[name], 2, 5, 3, 4) for name in ("gla", "gated-delta-product-3"))
    assert [len(leaves(given)) for given, _ in (plain, product)] == [5, 5]
    assert product[0].erase is product[0].k
    assert product[0].k.shape == (2, 15, 3, 4)
    assert plain[0].g.shape == (2, 5, 3, 4)
    assert product[1].shape == (2, 3, 4, 4)
