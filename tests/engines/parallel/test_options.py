from __future__ import annotations

import pytest

from ostinato.core.errors import ArgumentError
from ostinato.engines.parallel.options import Newton


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "ful"}, "Did you mean 'full'"),
        ({"method": None}, "no form None. Known: full"),
        ({"damping": -1.0}, r"damping must be a number, at least 0; got -1\.0"),
        ({"damping": None}, "damping must be a number"),
        ({"scale": float("inf")}, "scale must be a number"),
        ({"relaxation": 0}, "relaxation must be a number above 0; got 0"),
        ({"window": 0}, "window must be a whole number, at least 1"),
        ({"window": 2.5}, r"a whole number, at least 1; got 2\.5"),
        ({"iterations": "3"}, "a whole number, at least 1; got '3'"),
        ({"iterations": 2.5}, "iterations must be a whole number"),
        ({"tolerance": float("nan")}, "tolerance must be a number above 0"),
        ({"tolerance": 0.0}, "tolerance must be a number above 0"),
        ({"guess": 3}, "a tree of tensors"),
        ({"guess": ()}, "a tree of tensors"),
        ({"smooth": True}, "give newton a damping"),
        ({"unsolved": "errors"}, "Did you mean 'error'"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ArgumentError, match=message):
        Newton(**options)
