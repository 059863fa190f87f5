"""Sums that begin with a product are folded into it: one pass over memory instead of two."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from ostinato.engines.fused import ir
from ostinato.engines.fused.ir import Value
from ostinato.engines.fused.lower import Core


def fold(core: Core) -> Core:
    """Add biases, and the products of the input, where the product of the state begins."""
    results = (*core.new_carry, *core.exports)
    order = ir.reachable(results)
    uses = Counter(arg for value in order for arg in value.args)
    uses.update(set(results))
    moving = set(core.carry)
    for value in order:
        if any(arg in moving for arg in value.args):
            moving.add(value)
    new: dict[Value, Value] = {}
    for value in order:
        args = [new[arg] for arg in value.args]
        made = ir.make(value.op, args, value.shape, value.attrs) if args else value
        if value.op == "add":
            # The product that waits for the state comes last, so that the other need not wait.
            for a, b in sorted(((0, 1), (1, 0)), key=lambda ab: value.args[ab[0]] not in moving):
                if uses[value.args[a]] == 1 and _foldable(args[a], args[b]):
                    made = ir.make("matmul", [*args[a].args, args[b]], value.shape, args[a].attrs)
                    break
        new[value] = made
    return replace(
        core,
        new_carry=tuple(new[value] for value in core.new_carry),
        exports=tuple(new[value] for value in core.exports),
    )


def _foldable(product: Value, start: Value) -> bool:
    if product.op != "matmul" or len(product.args) != 2:
        return False
    bias = start.op == "const" and start.shape == product.shape[-1:]
    return bias or (
        start.shape == product.shape and start.op != "number" and ir.in_rows(start) is start
    )
