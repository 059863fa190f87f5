"""The recurrence of the layer: its equations, its options, and every engine that takes it."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import ostinato as ost
from ostinato.cells.delta_product import DeltaProductCell
from ostinato.cells.gated_delta_product import GatedDeltaProductCell
from ostinato.compiler.fission import split
from ostinato.compiler.structure import Pattern, structure
from ostinato.compiler.trace import trace
from ostinato.core.errors import ArgumentError
from ostinato.models.time.delta_product_updates import DeltaProductUpdates

F64 = torch.float64


def cell(heads=2, key_heads=2, **options):
    return DeltaProductUpdates(heads, 3, 4, key_heads=key_heads, dtype=F64, **options)


@pytest.mark.parametrize("gate", [False, True])
def test_it_is_the_cell_of_its_name_behind_its_map(gate):
    make = GatedDeltaProductCell if gate else DeltaProductCell
    whole = make(5, 8, heads=2, key_size=3, updates=3, dtype=F64)
    inner = cell(updates=3, gate=gate)
    x = torch.randn(2, 7, 5, dtype=F64)
    read = [whole.input(x)]
    if gate:
        inner.A_log.data, inner.gate_bias.data = whole.A_log.data, whole.gate.bias.data
        read.append(x @ whole.gate.weight.T)
    found = ost.RNN(inner, "reference")(torch.cat(read, -1))
    torch.testing.assert_close(found, ost.RNN(whole, "reference")(x))


def test_heads_of_values_share_keys_and_queries():
    apart, shared = cell(heads=4, key_heads=4), cell(heads=4)
    apart.load_state_dict(shared.state_dict())
    x = torch.randn(2, 6, shared.input_size, dtype=F64)
    q, k, rest = x.split([6, 12, shared.input_size - 18], -1)
    twice = [
        torch.repeat_interleave(each.unflatten(-1, (-1, 2, 3)), 2, -2).flatten(-3)
        for each in (q, k)
    ]
    found = ost.RNN(shared, "reference")(x)
    expected = ost.RNN(apart, "reference")(torch.cat([*twice, rest], -1))
    torch.testing.assert_close(found, expected)


def test_lengths_of_keys_and_scale_are_options():
    x = torch.randn(2, cell().input_size, dtype=F64)
    plain = cell(normalise=False, scale=3.0).factors(x)
    torch.testing.assert_close(plain.q, 3 * F.silu(x[:, :6]).view(2, 2, 3))
    torch.testing.assert_close(plain.k, F.silu(x[:, 6:18]).view(2, 2, 2, 3))
    lengths = cell().factors(x).k.norm(dim=-1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths), atol=1e-3, rtol=0)


def test_eigenvalues():
    large = torch.full((1, cell().input_size), 50.0, dtype=F64)
    assert cell().factors(large).beta.max() == 2
    assert cell(negative_eigenvalues=False).factors(large).beta.max() == 1


@pytest.mark.parametrize("updates", [1, 2, 3, 4])
def test_naive_chunks_loop_and_steps_are_one(updates, quick_compile):
    """Across borders of chunks, in one step, and with the gradient of everything."""
    inner = cell(updates=updates, chunk_size=16, scale=0.7)
    for steps in (1, 37):
        x = torch.randn(2, steps, inner.input_size, dtype=F64, requires_grad=True)
        first = torch.randn(2, 2, 3, 4, dtype=F64, requires_grad=True)
        given, found = [x, first, *inner.parameters()], []
        for engine in ("reference", "chunk", "fused")[: 3 if updates == 2 else 2]:
            y, last = ost.RNN(inner, engine)(x, first)
            loss = y.square().sum() + last.sin().sum()
            found.append((y, last, *torch.autograd.grad(loss, given)))
        for other in found[1:]:
            torch.testing.assert_close(other, found[0], atol=1e-10, rtol=1e-10)
        state, layer = first, ost.RNN(inner)
        for t in range(steps):
            y, state = layer.step(x[:, t], state)
            torch.testing.assert_close(y, found[0][0][:, t], atol=1e-12, rtol=0)


def test_the_compiler_finds_the_core_to_be_affine():
    inner = cell(heads=4)
    x = torch.randn(2, inner.input_size, dtype=F64)
    found = structure(
        split(trace(lambda state, x: inner(x, state)[::-1], inner.initial_state(2), x))
    )
    assert found.verified
    assert found.affine
    assert found.pattern is not Pattern.DENSE


def test_the_size_of_a_chunk_is_a_power_of_two():
    inner = cell(chunk_size=48)
    with pytest.raises(ArgumentError, match="chunk_size must be a power of 2; got 48"):
        ost.RNN(inner, "chunk")(torch.randn(1, 3, inner.input_size, dtype=F64))


def test_it_keeps_the_contract(quick_compile):
    inner = cell(heads=4)
    x = torch.randn(3, 7, inner.input_size)
    engines = ("fused", "chunk")
    assert not ost.check_cell(inner, x, engines_to_check=engines, dtypes=(F64,)).failures
