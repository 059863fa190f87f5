from __future__ import annotations

import pytest
import torch

from ostinato.cells.elstm import ELSTMCell
from ostinato.compiler.fission import Kind, split
from ostinato.compiler.structure import structure
from ostinato.compiler.trace import trace
from ostinato.core.errors import ArgumentError

F64 = torch.float64


def drawn(**options):
    torch.manual_seed(0)
    cell = ELSTMCell(3, 4, dtype=F64, **options)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.mul_(10)
    return cell, torch.randn(5, 3, dtype=F64), 2 * torch.rand(5, 4, dtype=F64) - 1


def gates(cell, x, c):
    (F, Z), (b_f, b_z) = cell.input.weight.chunk(2), cell.input.bias.chunk(2)
    w_f, w_z = cell.recur
    return torch.sigmoid(x @ F.T + w_f * c + b_f), torch.tanh(x @ Z.T + w_z * c + b_z)


def test_the_step_by_its_equations():
    cell, x, c = drawn()
    f, z = gates(cell, x, c)
    h, new = cell(x, c)
    torch.testing.assert_close(new, f * c + (1 - f) * z)
    logits = torch.cat([x, new], 1) @ cell.output.weight.T + cell.output.bias
    torch.testing.assert_close(h, torch.sigmoid(logits) * new)


def test_the_jacobian_by_its_formula():
    cell, x, c = drawn()
    f, z = gates(cell, x, c)
    f_hat, z_hat = (c - z) * f * (1 - f), (1 - f) * (1 - z**2)
    expected = f + cell.recur[0] * f_hat + cell.recur[1] * z_hat
    found = torch.func.vmap(torch.func.jacrev(lambda x, c: cell(x, c)[1], 1))(x, c)
    torch.testing.assert_close(found, torch.diag_embed(expected), atol=1e-13, rtol=0)


def test_units_do_not_mix_and_the_output_gate_is_no_part_of_the_recurrence():
    cell, x, c = drawn()
    fission = split(trace(lambda c, x: cell(x, c)[::-1], c, x))
    ((coupling,),) = structure(fission).couplings
    assert coupling.heads == 4
    # W_o, like the maps of the input, stands outside of the loop.
    assert {fission.kinds[node] for node in fission.trace.nodes if "mm" in str(node.target)} == {
        Kind.INPUT,
        Kind.OUTPUT,
    }


def test_without_an_output_gate_the_state_is_put_out():
    cell, x, c = drawn(output_gate=False)
    h, new = cell(x, c)
    assert h is new
    assert len(list(cell.parameters())) == 3


def test_how_it_begins():
    torch.manual_seed(0)
    cell = ELSTMCell(50, 40, forget_bias=3.0)
    assert float(cell.input.weight.detach().std()) == pytest.approx(0.1, rel=0.05)
    b_f, b_z = cell.input.bias.chunk(2)
    assert (b_f.mean() - 3).abs() < 0.1
    assert b_z.mean().abs() < 0.1


def test_beyond_the_bound_recurrent_weights_count_as_the_bound():
    cell, x, c = drawn(clip=0.5)
    expected = cell(x, c)[1]
    expected.sum().backward()
    beyond = cell.recur.detach().abs() > 0.5
    assert beyond.any()
    assert not cell.recur.grad[beyond].any()
    with torch.no_grad():
        cell.recur.clamp_(-0.5, 0.5)
    torch.testing.assert_close(cell(x, c)[1], expected.detach())
    with pytest.raises(ArgumentError, match="clip must be positive"):
        ELSTMCell(3, 4, clip=0.0)
