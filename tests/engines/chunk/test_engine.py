from __future__ import annotations

import copy

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.cells.delta_net import DeltaNetCell
from ostinato.compiler.fission import split
from ostinato.compiler.structure import Pattern, structure
from ostinato.compiler.trace import trace
from ostinato.core.recurrence import Recurrence
from ostinato.core.state import leaves, map_state
from ostinato.engines.chunk.engine import Chunk
from ostinato.wrap import MixedPrecision

F64 = torch.float64
CELLS = [
    "GatedLinearAttention",
    "DeltaNet",
    "GatedDeltaNet",
    "DeltaProduct",
    "GatedDeltaProduct",
    "MLSTM",
    "Mamba2",
    "RWKV7",
]


def outcome(cell, engine, x, state, options):
    """Outputs, last state, and the gradients of input, state and parameters."""
    x, state = map_state(lambda leaf: leaf.clone().requires_grad_(), (x, state))
    y, last = ost.RNN(cell, engine, reverse=options.pop("reverse", False))(x, state, **options)
    loss = y.square().sum() + sum(leaf.square().sum() for leaf in leaves(last))
    return [y, *leaves(last), *torch.autograd.grad(loss, [x, *leaves(state), *cell.parameters()])]


@pytest.mark.parametrize("name", CELLS)
def test_it_equals_the_reference_across_chunks(name):
    cell = make_cell(name, 3, 6, heads=2, dtype=F64)
    x = torch.randn(3, 70, 3, dtype=F64)
    state = map_state(torch.randn_like, cell.initial_state(3))
    calls = [{}, {"lengths": torch.tensor([70, 1, 35])}]
    calls.append({"resets": torch.rand(3, 70) < 0.1, "reverse": True})
    for options in calls:
        expected = outcome(cell, "reference", x, state, dict(options))
        for a, b in zip(outcome(cell, "chunk", x, state, options), expected, strict=True):
            torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("name", CELLS)
def test_the_compiler_finds_the_core_to_be_affine(name):
    cell = make_cell(name, 3, 6, heads=2)
    state = cell.initial_state(2)
    traced = trace(lambda state, x: cell(x, state)[::-1], state, torch.randn(2, 3))
    found = structure(split(traced))
    assert found.verified
    # The stabiliser of the mLSTM is the larger of two numbers.
    assert found.affine == (name != "MLSTM")
    assert found.pattern is not Pattern.DENSE


def ratio(found, expected):
    """The error's root mean square over that of the expected."""
    found, expected = (
        torch.cat([x.double().flatten() for x in each]) for each in (found, expected)
    )
    return (found - expected).norm() / expected.norm()


@pytest.mark.parametrize("name", CELLS)
def test_in_bfloat16_only_factors_are_rounded(name):
    cell, x = make_cell(name, 3, 6, heads=2).bfloat16(), torch.randn(2, 70, 3).bfloat16()
    state = cell.initial_state(2)
    exact = outcome(copy.deepcopy(cell).double(), "reference", *as_type(F64, (x, state)), {})
    found, rounded = (outcome(cell, engine, x, state, {}) for engine in ("chunk", "reference"))
    assert [each.dtype for each in found] == [each.dtype for each in rounded]
    kinds = [slice(1), slice(1, 1 + len(leaves(state))), slice(1 + len(leaves(state)), None)]
    for kind, bound in zip(kinds, (0.01, 0.01, 0.03), strict=True):
        assert ratio(found[kind], exact[kind]) < bound
    assert ratio(found, exact) < ratio(rounded, exact)


@pytest.mark.parametrize("name", CELLS)
def test_mixed_precision_is_seen_through(name):
    inside, x = make_cell(name, 3, 6, heads=2).bfloat16(), torch.randn(2, 40, 3).bfloat16()
    state = MixedPrecision(inside).initial_state(2)
    exact = outcome(copy.deepcopy(inside).double(), "reference", *as_type(F64, (x, state)), {})
    found = outcome(MixedPrecision(inside), "chunk", x, state, {})
    # Gradients of what is stored in bfloat16 are rounded to it.
    for kind in (torch.float32, torch.bfloat16):
        pairs = [pair for pair in zip(found, exact, strict=True) if pair[0].dtype == kind]
        assert ratio(*zip(*pairs, strict=True)) < {torch.float32: 1e-5, torch.bfloat16: 5e-3}[kind]


@pytest.mark.parametrize("name", CELLS)
def test_under_autocast_maps_are_rounded_but_no_state(name):
    cell, x = make_cell(name, 3, 6, heads=2), torch.randn(2, 40, 3)
    state = cell.initial_state(2)
    exact = outcome(copy.deepcopy(cell).double(), "reference", *as_type(F64, (x, state)), {})
    with torch.autocast("cpu", torch.bfloat16):
        found, expected = (outcome(cell, engine, x, state, {}) for engine in ("chunk", "reference"))
    assert [each.dtype for each in found] == [each.dtype for each in expected]
    assert ratio(found, exact) < max(0.01, 1.1 * ratio(expected, exact))


def as_type(dtype, tree):
    return map_state(lambda leaf: leaf.to(dtype), tree)


def recurrence(cell, steps=5, **call):
    x, state = torch.randn(steps, 2, 3), torch.zeros(2, 1, 4, 4)
    return Recurrence(lambda state, x: (state, x), state, x, steps, cell=cell, **call)


def test_it_says_what_it_cannot_do():
    delta, engine = make_cell("DeltaNet", 3, 4), Chunk()
    assert engine.decline(recurrence(delta)) is None
    assert "not a MatrixCell" in engine.decline(recurrence(make_cell("GRU", 3, 4)))
    assert engine.decline(recurrence(MixedPrecision(delta))) is None
    assert "not a MatrixCell" in engine.decline(recurrence(MixedPrecision(make_cell("GRU", 3, 4))))
    assert "borders of chunks" in engine.decline(recurrence(delta, checkpoint=2))
    assert "no steps" in engine.decline(recurrence(delta, 0))
    delta.input.register_forward_hook(lambda *_: None)
    assert "hooks on a module" in engine.decline(recurrence(delta))


def test_auto_leaves_to_the_loop_what_is_faster_there():
    engine = Chunk()
    assert "small" in engine.hesitate(recurrence(make_cell("DeltaNet", 3, 4))).reason
    for name in ("DeltaNet", "GatedLinearAttention", "RWKV7"):
        assert engine.hesitate(recurrence(make_cell(name, 3, 32))) is None
    with torch.no_grad():
        assert "small" in engine.hesitate(recurrence(make_cell("RWKV7", 3, 32))).reason


def test_a_step_of_its_own_is_not_guessed():
    class Louder(DeltaNetCell):
        def forward(self, x, state):
            y, state = super().forward(x, state)
            return 2 * y, state

    assert "not a MatrixCell alone" in Chunk().decline(recurrence(Louder(3, 4)))
