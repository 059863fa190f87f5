import sys

import numpy as np
import pytest

from ostinato.core.errors import ArgumentError, MissingExtraError
from ostinato.tasks.series import load_series


@pytest.mark.parametrize(
    ("name", "package", "rows", "first"),
    [
        ("seattle", "vega_datasets", 8759, 39.4),
        ("co2", "statsmodels", 2284, 316.1),
        ("sunspots", "statsmodels", 309, 5.0),
    ],
)
def test_series(name, package, rows, first):
    pytest.importorskip(package)
    table = load_series(name)
    assert table.values.shape == (rows, 1)
    assert table.values[0, 0] == first
    assert np.isfinite(table.values).all()


def test_unknown_series():
    with pytest.raises(ArgumentError, match=r"no series 'sunspot'. Did you mean 'sunspots'"):
        load_series("sunspot")


def test_missing_extra_names_what_can_stand_in(monkeypatch):
    monkeypatch.setitem(sys.modules, "vega_datasets", None)
    with pytest.raises(MissingExtraError, match=r"ostinato\[data\].*'adding'"):
        load_series("seattle")
