"""What programs take together is everything, once."""

from __future__ import annotations

import pytest

from ostinato.engines.chunk.tiles import HOMES, padded, tile


def test_sizes_that_the_matrix_units_take():
    assert [padded(size) for size in (1, 16, 17, 64, 100)] == [16, 16, 32, 64, 128]


@pytest.mark.parametrize("name", HOMES)
@pytest.mark.parametrize(("keys", "values"), [(5, 4), (64, 64), (100, 256)])
def test_programs_cover_all_columns(name, keys, values):
    chosen = tile(name, keys, values)
    given = {"rows": 6, "chunks": 7, "values": values, "gates": keys}
    rows, *columns = chosen.programs(name, given)
    assert rows == (6 if name.startswith("states") else 42)
    width, size = (keys, "G") if name == "sums" else (values, "V")
    if columns:
        assert (columns[0] - 1) * chosen.sizes[size] < width <= columns[0] * chosen.sizes[size]


def test_chains_have_all_keys():
    assert tile("states", 100, 64).sizes["K"] == 128
