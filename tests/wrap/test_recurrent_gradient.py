"""The clipped and the cut recurrent gradient, against a backward loop written by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import ostinato as ost
from ostinato.cells import ElmanCell, GRUCell, LSTMCell, SLSTMCell, make_cell
from ostinato.compiler.fission import split
from ostinato.compiler.structure import read
from ostinato.compiler.trace import trace
from ostinato.core.errors import ArgumentError, CellError
from ostinato.core.state import leaves
from ostinato.train.rtrl.learner import RTRL
from ostinato.wrap import Normalised, RecurrentGradient
from ostinato.wrap.recurrent_connectivity import recurrent_maps

from .toys import Plain, Tree

F64 = torch.float64
pytestmark = pytest.mark.usefixtures("quick_compile")


def elman(state, w, r):
    return (torch.tanh(w + r),)


def lstm(state, w, r):
    i, f, g, o = (w + r).chunk(4, -1)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru(state, w, r):
    (w_r, w_z, w_n), (r_r, r_z, r_n) = w.chunk(3, -1), r.chunk(3, -1)
    z = (w_z + r_z).sigmoid()
    return ((1 - z) * torch.tanh(w_n + (w_r + r_r).sigmoid() * r_n) + z * state[0],)


FORMS = {"Elman": elman, "LSTM": lstm, "GRU": gru}


def by_hand(form, cell, x, first, clip):
    """Of Σ h²: ρ_{t−1} = clip(R δ), added to what goes back past R; gradients of x, first and R."""
    w, recur = cell.input(x), cell.recur
    states = [tuple(first)]
    with torch.no_grad():
        for t in range(x.shape[1]):
            states.append(form(states[-1], w[:, t], recur(states[-1][0])))
    after, of_w = [torch.zeros_like(leaf) for leaf in first], torch.zeros_like(w)
    of_recur = torch.zeros_like(recur.weight)
    for t in reversed(range(x.shape[1])):
        after[0] = after[0] + 2 * states[t + 1][0]
        before = [leaf.detach().requires_grad_() for leaf in states[t]]
        given = [w[:, t].detach().requires_grad_(), recur(before[0]).detach().requires_grad_()]
        *past, of_w[:, t], delta = torch.autograd.grad(
            form(before, *given), [*before, *given], after, materialize_grads=True
        )
        rho = delta @ recur.weight
        rho = torch.where(rho.isfinite(), rho.clamp(-clip, clip), 0)
        of_recur += delta.T @ states[t][0]
        after = [past[0] + rho, *past[1:]]
    (of_x,) = torch.autograd.grad(w, x, of_w)
    return [of_x, *after, of_recur]


def gradients(wrapped, engine, x, first, recur):
    """The same by an engine."""
    state = first[0] if len(first) == 1 else tuple(first)
    y, _ = ost.RNN(wrapped, engine)(x, state)
    wanted = [x, *first, recur.weight]
    return list(torch.autograd.grad(y.square().sum(), wanted, materialize_grads=True))


def drawn(name, heads=1, steps=7):
    torch.manual_seed(0)
    cell = make_cell(name, 3, 4, heads=heads).to(F64)
    for p in cell.recur.parameters():
        nn.init.normal_(p)
    first = [torch.randn(2, 4, dtype=F64).requires_grad_() for _ in leaves(cell.initial_state(1))]
    return cell, torch.randn(2, steps, 3, dtype=F64).requires_grad_(), first


@pytest.mark.parametrize(
    ("name", "engine"),
    [*((name, engine) for name in FORMS for engine in ("reference", "fused")), ("GRU", "triton")],
)
def test_it_clips_what_goes_back_through_the_matrices(name, engine, request):
    if engine == "triton":
        request.getfixturevalue("triton")
    cell, x, first = drawn(name)
    recur = cell.recur
    expected = by_hand(FORMS[name], cell, x, first, clip=0.3)
    free = by_hand(FORMS[name], cell, x, first, clip=math.inf)
    found = gradients(RecurrentGradient(cell, clip=0.3), engine, x, first, recur)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert not any(torch.allclose(a, b, rtol=1e-3) for a, b in zip(found, free, strict=True))


@pytest.mark.parametrize(
    ("name", "engine"), [("Elman", "reference"), ("GRU", "reference"), ("SLSTM", "fused")]
)
def test_in_heads_without_a_limit_nothing_changes_and_cut_is_detach(name, engine):
    class Cut(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, h):
            return self.inner(h.detach())

    cell, x, first = drawn(name, heads=2)
    recur = cell.recur
    plain = gradients(cell, engine, x, first, recur)
    free = gradients(RecurrentGradient(cell, clip=math.inf), engine, x, first, recur)
    torch.testing.assert_close(free, plain, rtol=0, atol=0)
    cell.recur = Cut(recur)
    expected = gradients(cell, "reference", x, first, recur)
    cell.recur = recur
    found = gradients(RecurrentGradient(cell, cut=True), engine, x, first, recur)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert found[-1].any()


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_what_is_not_finite_goes_back_no_further(engine):
    cell, x, first = drawn("Elman")
    with torch.no_grad():
        cell.recur.weight[0, 0] = 1e200
    y, _ = ost.RNN(RecurrentGradient(cell, clip=math.inf), engine)(x, first[0])
    huge = torch.zeros_like(y)
    huge[:, -1] = 1e200
    (g,) = torch.autograd.grad(y, first[0], huge)
    assert g.isfinite().all()


def test_newton_is_asked_for_states_alone():
    cell, x, first = drawn("Elman")
    rnn = ost.RNN(RecurrentGradient(cell, clip=0.3), "parallel")
    with pytest.raises(ost.EngineError, match="the step clips a gradient, and those of all steps"):
        rnn(x, first[0])
    with torch.no_grad():
        torch.testing.assert_close(rnn(x, first[0])[0], ost.RNN(cell)(x, first[0])[0])


def test_what_is_called_once_for_all_steps_is_not_clipped_by_generated_code():
    weight = torch.randn(3, 3, requires_grad=True)

    def step(h, x):
        h = torch.tanh(h @ ost.clip_gradient(weight, 0.1) + x)
        return h, h

    with pytest.raises(ost.EngineError, match="of a constant is clipped at every step"):
        ost.scan(step, torch.zeros(2, 3), torch.randn(4, 2, 3), engine="fused")


def test_rtrl_has_no_gradient_to_be_clipped():
    cell, x, _ = drawn("Elman")
    wrapped = ost.RNN(RecurrentGradient(cell, clip=0.3))
    with pytest.raises(CellError, match="sensitivities are carried forward without one"):
        RTRL(wrapped)(x.detach())
    RTRL(wrapped, method="truncated")(x.detach())[0].sum().backward()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Elman", "GRU", "SLSTM"])
def test_the_contract(name):
    """But for second derivatives, which are refused."""
    cell = RecurrentGradient(make_cell(name, 3, 4, heads=2), clip=1e-2)
    checks = ost.check_cell(cell, dtypes=[F64]).checks
    assert any(check.name == "second derivatives" and check.declined for check in checks)


def test_the_structure_is_that_of_the_cell():
    cell = RecurrentGradient(ElmanCell(3, 4, heads=2), clip=1.0)
    traced = trace(lambda h, x: cell(x, h), torch.zeros(2, 4), torch.zeros(2, 3))
    ((coupling,),) = read(split(traced)).couplings
    assert str(coupling) == "per-head block (2 × 2×2), nonlinear"


def test_which_maps_are_found():
    assert RecurrentGradient(Plain(3, 4), clip=1.0).places == ["recur"]
    assert RecurrentGradient(Tree(3, 4), cut=True, modules=["recur"]).places == ["recur"]
    assert RecurrentGradient(SLSTMCell(3, 4), clip=1).places == ["recur"]
    inner = LSTMCell(3, 4)
    wrapped = RecurrentGradient(inner, clip=1.0)
    assert [name for name, _, _ in recurrent_maps(wrapped)] == ["cell.recur.recurrent.weight"]
    assert Normalised(wrapped, at=("state",)).places == {"state": ["cell.recur.recurrent"]}
    named = RecurrentGradient(GRUCell(3, 4, reset_after=False), 1.0, modules=["recur", "recur_new"])
    assert "clip=1.0" in str(named.cell.recur_new)


def test_what_is_refused():
    for options in ({}, {"clip": 1.0, "cut": True}):
        with pytest.raises(ArgumentError, match=r"either clip=c or cut=True"):
            RecurrentGradient(Plain(3, 4), **options)
    with pytest.raises(ArgumentError, match="clip must be a positive number"):
        RecurrentGradient(Plain(3, 4), clip=0)
    with pytest.raises(ArgumentError, match=r"no module 'recurr'. Did you mean 'recur'"):
        RecurrentGradient(Plain(3, 4), 1.0, modules=["recurr"])
    for modules in ([], "recur"):
        with pytest.raises(ArgumentError, match="a list of one name or more; got "):
            RecurrentGradient(Plain(3, 4), 1.0, modules=modules)
    with pytest.raises(ArgumentError, match=r"together: recur_new. .*\['recur', 'recur_new'\]"):
        RecurrentGradient(GRUCell(3, 4, reset_after=False), clip=1.0)
    with pytest.raises(ArgumentError, match="no linear map of its state"):
        RecurrentGradient(make_cell("MinGRU", 3, 4), clip=1.0)
