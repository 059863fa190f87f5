"""Commands end with a status and a line."""

from __future__ import annotations

import pytest

from ostinato.bench.command import status
from ostinato.core.errors import ArgumentError, EngineError


@pytest.mark.parametrize(
    ("error", "code"), [(ArgumentError("no such cell"), 2), (EngineError("no device"), 1)]
)
def test_an_error_is_a_line_and_a_status(error, code, capsys):
    def failing():
        raise error

    assert status(failing) == code
    assert capsys.readouterr().err == f"ostinato: {error}\n"


def test_what_ends_well_and_what_nobody_foresaw():
    assert status(lambda: 5) == 0
    with pytest.raises(ZeroDivisionError):
        status(lambda: 1 / 0)
