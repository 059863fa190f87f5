"""Compiled loops against torch's operations, for cells whose units do not mix."""

from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.engines.fused.toolchain import find_compiler
from ostinato.train.rtrl import compiled, methods
from ostinato.train.rtrl.compiled import Compiled
from ostinato.train.rtrl.learner import RTRL

from .test_learner import F64, shaken

needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler")
WHOLE = ("ELSTM", "ParaLSTM", "MinLSTM", "HGRN")


def outcome(cell, segments=(1, 4, 2), dtype=F64, method="exact"):
    """Gradients and sensitivities segment by segment, with masks; and how they were found."""
    torch.manual_seed(1)
    learner, carried, found = RTRL(ost.RNN(cell, "reference"), method), None, []
    for steps in segments:
        x = torch.randn(3, steps, 3, dtype=dtype)
        lengths = torch.randint(0, steps + 1, (3,))
        y, carried = learner(x, carried, lengths, torch.rand(3, steps) < 0.2)
        wanted = list(cell.parameters())
        given = torch.autograd.grad(y.square().sum(), wanted, allow_unused=True)
        found += [*(g for g in given if g is not None), *carried.kept]
    return found, learner.explain(x).form


@needs_compiler
@pytest.mark.parametrize(
    ("name", "dtype"),
    [("ELSTM", torch.float32), *((name, F64) for name in WHOLE), ("SelectiveSSM", F64)],
)
def test_both_forms_agree(name, dtype, monkeypatch):
    cell = shaken(name, 3, 4, dtype=dtype)
    found, form = outcome(cell, dtype=dtype)
    assert form.endswith("compiled loops over time")
    assert ("parts in" in form) != (name in WHOLE)
    monkeypatch.setattr(methods, "compiled", lambda *given: "switched off")
    expected, form = outcome(cell, dtype=dtype)
    assert form == "torch's operations (switched off)"
    tolerance = 1e-12 if dtype is F64 else 1e-5
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@needs_compiler
def test_long_segments_are_taken_in_parts(monkeypatch):
    cell = shaken("ELSTM", 3, 4)
    whole, _ = outcome(cell, (11,))
    monkeypatch.setattr(compiled, "_STEPS", 3)
    parts, _ = outcome(cell, (11,))
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@needs_compiler
def test_new_weights_need_no_new_code(monkeypatch):
    cell = shaken("ParaGRU", 3, 4)
    learner, x = RTRL(ost.RNN(cell)), torch.randn(2, 3, 3, dtype=F64)
    _, carried = learner(x)
    (plan,) = learner._plans.values()
    assert isinstance(plan.kept, Compiled)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.mul_(0.5)
    _, found = learner(x, carried)
    assert list(learner._plans.values()) == [plan]
    monkeypatch.setattr(methods, "compiled", lambda *given: "switched off")
    _, expected = RTRL(ost.RNN(cell))(x, carried)
    for a, b in zip(found.kept, expected.kept, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "method", "reason"),
    [
        ("GRU", "exact", "the units of the state mix"),
        ("ELSTM", "rflo", "gradients through products are left out"),
    ],
)
def test_what_stands_in_the_way_is_said(name, method, reason):
    form = RTRL(ost.RNN(shaken(name, 3, 4)), method).explain(torch.zeros(1, 1, 3, dtype=F64)).form
    assert form == f"torch's operations ({reason})"


def test_without_a_compiler(monkeypatch):
    monkeypatch.setattr(compiled, "find_compiler", lambda: None)
    _, form = outcome(shaken("ELSTM", 3, 4))
    assert "no C++ compiler was found" in form


@needs_compiler
def test_under_autocast_torch_does_it():
    cell = shaken("ELSTM", 3, 4, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        _, form = outcome(cell, dtype=torch.float32)
    assert "the precision changes inside the step" in form


@needs_compiler
def test_what_generated_code_lacks_is_left_to_torch():
    class Ranked(ost.Cell):
        def __init__(self):
            super().__init__()
            self.rate = torch.nn.Parameter(torch.randn(4, dtype=F64))

        def initial_state(self, batch_size):
            return self.zeros(batch_size, 4)

        def forward(self, x, h):
            h = torch.sigmoid(self.rate) * h + x.sort(-1).values[:, -1:]
            return h, h

    _, form = outcome(Ranked())
    assert "a part of the input is outside the language of generated code" in form
