"""The text of an iteration."""

from __future__ import annotations

import ast
from itertools import product

import pytest

from ostinato.engines.parallel.device.sweep import Sweep

from .cores import core_of


@pytest.mark.parametrize("name", ["ParaGRU", "ParaLSTM"])
def test_all_kernels_are_python(name):
    core = core_of(name)
    for backward, summary in product((False, True), repeat=2):
        for masks in ((), ("identity",), ("identity", "cut")):
            sweep = Sweep(core, "float32", backward, summary, masks)
            (function,) = ast.parse(sweep.text).body
            assert function.name == sweep.name
            assert [each.arg for each in function.args.args] == [*sweep.arguments, "R", "U"]


def test_a_and_b_are_neither_read_nor_written():
    core = core_of("ParaGRU")
    run = Sweep(core, "float32", False, False, ())
    assert set(run.steps) - {"input_0", "input_1", "input_2"} == {"current", "new", "guess"}
    assert Sweep(core, "float32", False, True, ()).written == []
    assert Sweep(core, "float32", True, False, ()).written == ["flow"]
