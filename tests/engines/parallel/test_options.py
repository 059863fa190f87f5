from __future__ import annotations

import pytest

from ostinato.core.errors import ArgumentError
from ostinato.engines.parallel.options import Newton


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "ful"}, "Did you mean 'full'"),
        ({"damping": -1.0}, "damping must be finite and at least 0"),
        ({"window": 0}, "window must be finite and at least 1"),
        ({"tolerance": float("nan")}, "tolerance must be"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ArgumentError, match=message):
        Newton(**options)
