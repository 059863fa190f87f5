"""What a step holds, computes and moves."""

from __future__ import annotations

from ostinato.engines.fused import ir
from ostinato.engines.fused.device.pressure import pressure
from ostinato.engines.fused.ir import leaf
from ostinato.engines.fused.program import Program

H, X = leaf("carry", 0, (64,)), leaf("input", 0, (64,))


def program(value, **ports):
    return Program("forward", carried={H: value}, read={"input_0": X}, **ports)


def test_what_is_read_lives_until_it_is_used():
    found = pressure(program(ir.pointwise("tanh", ir.pointwise("add", H, X))))
    assert (found.live, found.moved, found.multiplied) == (3 * 64, 64, 0)
    assert found.pointwise == 64 + 8 * 64


def test_a_value_that_is_used_late_is_held():
    exp = ir.pointwise("exp", X)
    chain = ir.pointwise("tanh", ir.pointwise("sin", ir.pointwise("cos", H)))
    assert pressure(program(ir.pointwise("add", chain, exp))).live == 3 * 64
    assert pressure(program(ir.pointwise("add", chain, ir.pointwise("mul", exp, X)))).live == 256


def test_products_and_slices():
    made = ir.matmul(H, leaf("const", 0, (64, 256)))
    cut = ir.cut(made, 0, 64, 64)
    found = pressure(program(cut, results={"export_0": made}))
    assert found.multiplied == 64 * 256
    assert found.moved == 64 + 256
    assert found.live == 64 + 64 + 256


def test_sizes_are_padded():
    h = leaf("carry", 0, (33,))
    found = pressure(Program("forward", carried={h: ir.pointwise("tanh", h)}))
    assert found.live == 128
    assert found.pointwise == 8 * 33
