"""Functions of text, whose lines are found again."""

from __future__ import annotations

import inspect
import linecache

from ostinato.engines.fused.device.module import functions

TEXT = (
    "import math\n\n\ndef twice(x):\n    return 2 * x\n\n\ndef root(x):\n    return math.sqrt(x)\n"
)


def test_functions_and_their_lines():
    made = functions(TEXT, ["twice", "root"])
    assert (made["twice"](4), made["root"](4)) == (8, 2)
    linecache.checkcache()
    assert inspect.getsource(made["twice"]) == "def twice(x):\n    return 2 * x\n"


def test_another_text_has_other_lines():
    one, two = (functions(text, ["f"])["f"] for text in ("def f(): return 1", "def f(): return 2"))
    assert (one(), two()) == (1, 2)
    assert inspect.getsource(one) != inspect.getsource(two)
