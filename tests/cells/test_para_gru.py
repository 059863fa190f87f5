from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells.para_gru import ParaGRUCell
from ostinato.compiler.fission import split
from ostinato.compiler.structure import structure
from ostinato.compiler.trace import trace
from ostinato.core.errors import ArgumentError
from ostinato.engines.parallel.affine_map import Pointwise
from ostinato.engines.parallel.linearise import Core, groups, linearise

F64 = torch.float64


def drawn(**options):
    torch.manual_seed(0)
    cell = ParaGRUCell(4, 6, dtype=F64, **options)
    torch.nn.init.normal_(cell.input.bias)
    return cell, torch.randn(5, 4, dtype=F64), torch.rand(5, 6, dtype=F64)


def gates(cell, x, h):
    """B x + b of every gate, the a in use, and the gates."""
    x_r, x_z, x_n = cell.input(x).split(6, -1)
    a_r, a_z, a_n = cell.recur.clamp(-cell.clip, cell.clip)
    r, z = torch.sigmoid(a_r * h + x_r), torch.sigmoid(a_z * h + x_z)
    return (a_r, a_z, a_n), r, z, torch.tanh(a_n * h * r + x_n)


def test_the_step_by_its_equations():
    cell, x, h = drawn()
    _, _, z, n = gates(cell, x, h)
    torch.testing.assert_close(cell(x, h)[0], (1 - z) * h + z * n, atol=1e-14, rtol=0)


def test_other_activations():
    def hard(a):
        return (a / 6 + 0.5).clamp(0, 1)

    cell, x, h = drawn(activation="hardtanh", gate_activation=hard)
    r, z, n = cell.input(x).chunk(3, -1)
    a_r, a_z, a_n = cell.recur.clamp(-0.5, 0.5)
    r, z = hard(r + a_r * h), hard(z + a_z * h)
    expected = (1 - z) * h + z * (n + a_n * r * h).clamp(-1, 1)
    torch.testing.assert_close(cell(x, h)[0], expected, atol=1e-14, rtol=0)
    found = ost.RNN(cell, "parallel")(x[None])[0]
    torch.testing.assert_close(found, ost.RNN(cell, "reference")(x[None])[0], atol=1e-11, rtol=0)
    with pytest.raises(ArgumentError, match="No activation is called 'hardsigmoid'"):
        ParaGRUCell(4, 6, gate_activation="hardsigmoid")


def test_the_jacobian_by_its_formula_and_diagonal():
    cell, x, h = drawn(clip=0.9)
    (a_r, a_z, a_n), r, z, n = gates(cell, x, h)
    expected = (
        1 - z + (n - h) * z * (1 - z) * a_z
        + z * (1 - n**2) * a_n * (r + h * r * (1 - r) * a_r)
    )  # fmt: skip
    found = torch.func.vmap(torch.func.jacrev(lambda x, h: cell(x, h)[0], 1))(x, h)
    torch.testing.assert_close(found, torch.diag_embed(expected), atol=1e-13, rtol=0)
    traced = trace(lambda h, x: cell(x, h)[::-1], h, x)
    (group,) = groups(structure(split(traced)))
    assert isinstance(group.form, Pointwise)
    core = Core(
        run=lambda carry: [cell(x, carry[0])[1]],
        push=lambda h, along: torch.func.jvp(lambda h: cell(x, h)[1], tuple(h), tuple(along)),
    )
    ((a, b),) = linearise(core, [h], [group], steps=5)
    torch.testing.assert_close(a[:, 0], expected, atol=1e-13, rtol=0)
    torch.testing.assert_close(b[:, 0], cell(x, h)[1], atol=1e-13, rtol=0)


def test_gradients_of_the_parameters_by_their_formulas():
    cell, x, h = drawn(clip=5.0)
    (_, _, a_n), r, z, n = gates(cell, x, h)
    bar = torch.randn_like(h)
    found = torch.autograd.grad((cell(x, h)[0] * bar).sum(), list(cell.parameters()))
    g_n = bar * z * (1 - n**2)
    g_z = bar * (n - h) * z * (1 - z)
    g_r = g_n * a_n * h * r * (1 - r)
    total = torch.cat([g_r, g_z, g_n], -1)
    recur = torch.stack([(g_r * h).sum(0), (g_z * h).sum(0), (g_n * r * h).sum(0)])
    by_name = dict(zip(dict(cell.named_parameters()), found, strict=True))
    expected = {"input.weight": total.T @ x, "input.bias": total.sum(0), "recur": recur}
    for name, value in expected.items():
        torch.testing.assert_close(by_name[name], value, atol=1e-13, rtol=0)


def test_without_recurrent_weights_it_is_a_linear_gated_recurrence():
    cell, _, _ = drawn()
    torch.nn.init.zeros_(cell.recur)
    x = torch.randn(2, 9, 4, dtype=F64)
    _, z, n = cell.input(x).transpose(0, 1).chunk(3, -1)
    z, n = torch.sigmoid(z), torch.tanh(n)
    expected = ost.affine_scan(1 - z, z * n, kind="diagonal").transpose(0, 1)
    torch.testing.assert_close(ost.RNN(cell)(x)[0], expected, atol=1e-13, rtol=0)


def test_the_contract_with_heads_and_without_a_bound():
    engines = ["reference", "fused", "parallel"]
    cell = ParaGRUCell(4, 6, heads=2, clip=None)
    report = ost.check_cell(cell, dtypes=[F64], engines_to_check=engines)
    assert not report.failures
    assert {check.engine for check in report.checks if not check.declined} == set(engines)


@pytest.mark.slow
def test_it_learns_parity_and_the_linear_recurrence_does_not():
    assert parity(learn_diagonal=True) == {32: 1.0, 256: 1.0}
    assert parity(learn_diagonal=False)[32] < 0.6


def parity(learn_diagonal):
    """Accuracy of the parity of all bits, by length, of a cell trained on length 32."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    cell = ParaGRUCell(32, 32, clip=None)
    torch.nn.init.normal_(cell.recur, std=0.5)
    for part in cell.input.weight, cell.input.bias:
        torch.nn.init.uniform_(part, -(32**-0.5), 32**-0.5)
    if not learn_diagonal:
        torch.nn.init.zeros_(cell.recur)
        cell.recur.requires_grad_(False)
    embed, rnn, head = torch.nn.Embedding(2, 32), ost.RNN(cell), torch.nn.Linear(32, 2)
    model = torch.nn.ModuleList([embed, rnn, head])
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 5e-3)

    def batch(rows, steps):
        bits = torch.randint(2, (rows, steps), generator=generator)
        return bits, bits.cumsum(1) % 2

    for _ in range(1500):
        bits, labels = batch(64, 32)
        logits = head(rnn(embed(bits))[0])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    found = {}
    for steps in (32, 256):
        bits, labels = batch(500, steps)
        with torch.no_grad():
            answers = head(rnn(embed(bits))[0][:, -1]).argmax(-1)
        found[steps] = float((answers == labels[:, -1]).float().mean())
    return found
