"""The text of a core and its Jacobian."""

from __future__ import annotations

import pytest

from ostinato.engines.fused import ir
from ostinato.engines.fused.device.body import CoupledError
from ostinato.engines.fused.lower import Core
from ostinato.engines.parallel.device.linear import LinearBody

from .cores import core_of


def names(lines):
    return [line.split(" = ")[0] for line in lines]


def test_f_and_all_of_j_are_computed():
    body = LinearBody(core_of("ParaLSTM"), "tl.float32", transposed=False)
    assert not body.missing
    wanted = ["f_0", "f_1", "a_0_0", "a_0_1", "a_1_0", "a_1_1"]
    assert [name for name in names(body.lines) if name[0] in "fa"] == wanted


def test_transposed_there_is_no_f():
    body = LinearBody(core_of("ParaLSTM"), "tl.float32", transposed=True)
    found = [name for name in names(body.lines) if name[0] in "fa"]
    assert found == ["a_0_0", "a_1_0", "a_0_1", "a_1_1"]


def test_elements_that_meet_are_refused():
    h = ir.leaf("carry", 0, (4,))
    total = ir.expand(ir.reduce("sum", h, [0]), (4,))
    with pytest.raises(CoupledError):
        LinearBody(Core((h,), (), (), (total,), ()), "tl.float32", transposed=False)
