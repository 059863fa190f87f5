import pytest

from ostinato.core.errors import ArgumentError
from ostinato.tasks.arguments import require_at_least, require_one_of


def test_at_least_names_the_option_and_its_value():
    require_at_least(1, window=1, steps=2)
    with pytest.raises(ArgumentError, match="steps must be at least 1; got 0"):
        require_at_least(1, window=1, steps=0)


def test_at_least_refuses_nan():
    with pytest.raises(ArgumentError, match="nan"):
        require_at_least(0, fraction=float("nan"))


def test_one_of_names_the_nearest():
    require_one_of(("rows", "pixels"), order="rows")
    with pytest.raises(ArgumentError, match=r"no order 'row'\. Did you mean 'rows'"):
        require_one_of(("rows", "pixels"), order="row")
