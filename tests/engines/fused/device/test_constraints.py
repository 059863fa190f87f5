"""Whole numbers under constraints, against trying all of them."""

from __future__ import annotations

from itertools import product

import pytest

from ostinato.engines.fused.device.constraints import Constraint, UnsatisfiableError, solutions

DOMAINS = {"a": (1, 2, 3, 4), "b": (1, 2, 3, 6), "c": (0, 5)}
EVEN = Constraint("an even product", ("a", "b"), lambda a, b: a * b % 2 == 0)
BELOW = Constraint("b below a + c", ("a", "b", "c"), lambda a, b, c: b < a + c)
SMALL = Constraint("a below 4", ("a",), lambda a: a < 4)


@pytest.mark.parametrize("chosen", [(), (SMALL,), (EVEN, SMALL), (BELOW, EVEN, SMALL)])
def test_all_solutions_each_once_and_in_order(chosen):
    expected = [
        dict(zip(DOMAINS, values, strict=True))
        for values in product(*DOMAINS.values())
        if all(c.holds(*(values[list(DOMAINS).index(v)] for v in c.variables)) for c in chosen)
    ]
    assert solutions(DOMAINS, chosen) == expected


def test_what_leaves_no_solution_is_named():
    never = Constraint("a above 9", ("a",), lambda a: a > 9)
    with pytest.raises(UnsatisfiableError, match=r"^a above 9$"):
        solutions(DOMAINS, [EVEN, never])
    both = Constraint("a·c above 20", ("a", "c"), lambda a, c: a * c > 20)
    assert solutions({"a": (5,), "c": (5,)}, [both]) == [{"a": 5, "c": 5}]
    with pytest.raises(UnsatisfiableError, match="a·c above 20"):
        solutions(DOMAINS, [SMALL, both])


def test_what_is_excluded_is_not_continued():
    seen = []
    last = Constraint("anything", ("a", "c"), lambda a, c: seen.append(a) or True)
    solutions(DOMAINS, [SMALL, last])
    assert set(seen) == {1, 2, 3}
