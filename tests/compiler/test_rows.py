"""Rows may be sizes, and nothing that depends on how many there are."""

from __future__ import annotations

import math

import pytest
import torch

from ostinato.compiler.rows import ROWS, Rows, TraceError, count, shape, symbolic

B = Rows(ROWS)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (B * 3, 3 * ROWS),
        (4 * B * 2, 8 * ROWS),
        (B * 0, 0),
        (B + B, 2 * ROWS),
        (sum([B, B]), 2 * ROWS),
        (B * 6 // 2, 3 * ROWS),
        (B * 6 // (B * 2), 3),
        (B * 6 % 3, 0),
        (B * 3 - B, 2 * ROWS),
        (B - B, 0),
    ],
)
def test_sizes_made_of_rows(found, expected):
    assert int(found) == expected
    assert isinstance(found, Rows) == (expected >= ROWS)


@pytest.mark.parametrize(
    "question",
    [
        lambda: B == 3,
        lambda: B != 3,
        lambda: B > 4,
        lambda: B <= 100,
        lambda: 8 < B,  # noqa: SIM300
        lambda: B % 2,
        lambda: B // 2,
        lambda: B + 1,
        lambda: B - 1,
        lambda: 5 - B,
        lambda: B * B,
        lambda: B / 2,
        lambda: 1 / B,
        lambda: B * 0.5,
        lambda: B**2,
        lambda: -B,
        lambda: float(B),
        lambda: math.sqrt(B),
        lambda: divmod(B, 2),
        lambda: B < 2.5,
        lambda: B & 1,
    ],
)
def test_what_another_number_of_rows_might_answer_differently_is_refused(question):
    with pytest.raises(TraceError, match="depends on how many rows there are"):
        question()


def test_what_holds_for_any_number_of_rows_is_answered():
    assert (B == 1, B != 1, B > 1, B >= 2, B < 2, B * 2 == 3, B == 0) == (
        False, True, True, True, False, False, False,
    )  # fmt: skip
    assert B * 2 > B
    assert Rows(ROWS) == B
    assert hash(B) == hash(ROWS)


def test_shapes():
    assert shape(torch.empty(ROWS * 2, 3, device="meta")) == (B * 2, 3)
    assert [count(size, 5) for size in (B, B * 3, 7)] == [5, 15, 7]
    assert not isinstance(symbolic(64), Rows)
    with pytest.raises(TraceError, match="takes rows of the batch apart"):
        symbolic(ROWS - 1)
