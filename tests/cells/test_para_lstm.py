from __future__ import annotations

import torch

import ostinato as ost
from ostinato.cells.lstm import LSTMCell
from ostinato.cells.para_lstm import ParaLSTMCell
from ostinato.compiler.fission import split
from ostinato.compiler.structure import structure
from ostinato.compiler.trace import trace
from ostinato.engines.parallel.affine_map import Matrices
from ostinato.engines.parallel.linearise import Core, groups, linearise

F64 = torch.float64


def drawn(**options):
    torch.manual_seed(0)
    cell = ParaLSTMCell(4, 6, dtype=F64, **options)
    torch.nn.init.normal_(cell.input.bias)
    return cell, *(torch.randn(5, n, dtype=F64) for n in (4, 6, 6))


def test_it_is_the_coupled_lstm_with_peepholes_and_diagonal_matrices():
    cell, *_ = drawn()
    lstm = LSTMCell(4, 6, coupled=True, peepholes=True, dtype=F64)
    bounded = [weight.detach().clamp(-0.5, 0.5) for weight in (cell.recur, cell.peepholes)]
    with torch.no_grad():
        lstm.input.load_state_dict(cell.input.state_dict())
        lstm.recur.weight.copy_(torch.cat([torch.diag(a) for a in bounded[0]]))
        for gate, p in zip("fo", bounded[1], strict=True):
            lstm.peepholes[gate].copy_(p)
    x = torch.randn(3, 11, 4, dtype=F64)
    torch.testing.assert_close(ost.RNN(cell)(x), ost.RNN(lstm)(x), atol=1e-13, rtol=0)


def test_other_activations():
    cell, x, h, c = drawn(activation="identity", gate_activation="relu", clip=None)
    x_f, x_g, x_o = cell.input(x).chunk(3, -1)
    (a_f, a_g, a_o), (p_f, p_o) = cell.recur, cell.peepholes
    f = (x_f + a_f * h + p_f * c).clamp(0)
    new = f * c + (1 - f) * (x_g + a_g * h)
    expected = (x_o + a_o * h + p_o * new).clamp(0) * new
    torch.testing.assert_close(cell(x, (h, c))[1], (expected, new), atol=1e-13, rtol=0)


def test_the_jacobian_by_its_formula_in_blocks_of_diagonals():
    cell, x, h, c = drawn(clip=0.9)
    x_f, x_g, x_o = cell.input(x).split(6, -1)
    (a_f, a_g, a_o), (p_f, p_o) = (w.clamp(-0.9, 0.9) for w in (cell.recur, cell.peepholes))
    f = torch.sigmoid(a_f * h + p_f * c + x_f)
    g = torch.tanh(a_g * h + x_g)
    new = f * c + (1 - f) * g
    o, s = torch.sigmoid(a_o * h + p_o * new + x_o), torch.tanh(new)
    cc = f + (c - g) * f * (1 - f) * p_f
    ch = (c - g) * f * (1 - f) * a_f + (1 - f) * (1 - g**2) * a_g
    q, v = s * o * (1 - o), o * (1 - s**2)
    expected = ((q * a_o + (q * p_o + v) * ch, (q * p_o + v) * cc), (ch, cc))
    step = torch.func.jacrev(lambda x, h, c: cell(x, (h, c))[1], (1, 2))
    found = torch.func.vmap(step)(x, h, c)
    for found_row, expected_row in zip(found, expected, strict=True):
        for block, diagonal in zip(found_row, expected_row, strict=True):
            torch.testing.assert_close(block, torch.diag_embed(diagonal), atol=1e-13, rtol=0)
    traced = trace(lambda state, x: cell(x, state)[::-1], (h, c), x)
    (group,) = groups(structure(split(traced)))
    assert isinstance(group.form, Matrices)
    assert group.passes == 2

    def push(carry, along):
        new, moved = torch.func.jvp(lambda *s: cell(x, s)[1], tuple(carry), tuple(along))
        return [*new, *moved]

    core = Core(run=lambda carry: list(cell(x, carry)[1]), push=push)
    ((a, _),) = linearise(core, [h, c], [group], steps=5)
    blocks = torch.stack([torch.stack(row, -1) for row in expected], -2)
    torch.testing.assert_close(a[:, 0], blocks, atol=1e-13, rtol=0)


def test_the_contract_with_heads_and_without_a_bound():
    engines = ["reference", "fused", "parallel"]
    cell = ParaLSTMCell(4, 6, heads=2, clip=None)
    report = ost.check_cell(cell, dtypes=[F64], engines_to_check=engines)
    assert not report.failures
    assert {check.engine for check in report.checks if not check.declined} == set(engines)
