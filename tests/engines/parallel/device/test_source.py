"""The text of kernels: what is read when."""

from __future__ import annotations

import ast
from itertools import product

from ostinato.engines.parallel.device.algebra import Algebra
from ostinato.engines.parallel.device.source import Scan, looped


def test_all_kernels_are_python():
    for size, turned, summary, constant in product((1, 3), *[(False, True)] * 3):
        algebra = Algebra(size, turned)
        made = Scan(algebra, 2, "float32", summary, constant, turned, ("identity", "cut"))
        (function,) = ast.parse(made.text).body
        assert function.name == ("summary" if summary else "run")
        assert [each.arg for each in function.args.args] == [*made.arguments, "N"]


def test_steps_that_are_short_are_read_together():
    lines = looped({"x": "load(x)"}, ["x += 1"], ["use(x)"])
    assert lines[0] == "for _ in steps(count // 16):"
    assert lines.index("    x += 1") < lines.index("    use(x)")
    assert looped({str(i): "" for i in range(20)}, [], [])[0] == "for _ in steps(count // 1):"


def test_a_constant_a_is_read_once():
    text = Scan(Algebra(1), 1, "float32", constant=True).text
    assert text.index("a_0_0 = tl.load(a") < text.index("for _ in")
    assert text.count("tl.load(a,") == 1
