from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.over import anatomy as module
from ostinato.over.anatomy import Anatomy, dissect
from ostinato.over.layer import Options


def of(cell, x=None, **options):
    x = torch.randn(2, 5, 3) if x is None else x
    return ost.RNN(cell).recurrence(x, None, Options(**options))


class Named(ost.Cell):
    def __init__(self, size=4):
        super().__init__()
        self.size, self.input = size, nn.Linear(3, size)
        self.log_tau = nn.Parameter(torch.zeros(size))

    def initial_state(self, batch_size):
        return {"v": self.zeros(batch_size, self.size), "w": self.zeros(batch_size, self.size)}

    def forward(self, x, state):
        v = torch.exp(-self.log_tau.exp()) * state["v"] + self.input(x).tanh()
        return (state["w"] + v).relu(), {"v": v, "w": v + state["w"]}


def test_every_operation_has_its_place():
    found = dissect(of(Named()))
    assert found.operations == {
        "once a call": {"exp": 2, "neg": 1, "permute": 1},
        "before the loop": {"addmm": 1, "tanh": 1},
        "in the loop": {"mul": 1, "add": 2},
        "after the loop": {"add": 1, "relu": 1},
    }
    assert found.sunk == ()
    assert found.leaves == ("state['v']", "state['w']")
    assert "state['w'] ← state['v'] elementwise, affine; state['w'] elementwise" in str(
        found.lines()
    )


def test_matrices_of_the_loop_are_called_by_their_parameters():
    assert dissect(of(make_cell("MinimalGated", 3, 4))).sunk == (
        "recur_new.weight",
        "recur_gate.weight",
    )
    recurrence = of(make_cell("LSTM", 3, 4))
    assert dissect(recurrence).sunk == ("recur.weight",)
    assert dissect(replace(recurrence, cell=None)).sunk == ("a 4×16 matrix",)


def test_without_a_language_for_the_core_the_rest_is_told():
    class Sorted(Named):
        def forward(self, x, state):
            v = state["v"].sort(-1).values + self.input(x)
            return v, {"v": v, "w": state["w"]}

    found = dissect(of(Sorted()))
    assert isinstance(found, Anatomy)
    assert found.sunk is None
    assert "sort" in found.operations["in the loop"]
    assert not any("sunk" in line for line in found.lines())


def test_a_step_that_cannot_be_traced_is_named_with_its_line():
    class Branching(Named):
        def forward(self, x, state):
            if x.sum() > 0:
                return x, state
            return x, state

    assert "if x.sum() > 0:" in dissect(of(Branching()))
    assert dissect(replace(of(Named()), steps=0)) == "there are no steps"


def test_no_failure_inside_gets_out(monkeypatch):
    def broken(fission):
        raise KeyError("surprise")

    monkeypatch.setattr(module, "cost", broken)
    assert dissect(of(Named())) == "KeyError: 'surprise'"


def test_many_leaves_and_operations_are_cut_short():
    class Many(Named):
        def initial_state(self, batch_size):
            return [self.zeros(batch_size, 3) for _ in range(12)]

        def forward(self, x, state):
            for function in ("sin", "cos", "tanh", "exp", "erf", "sigmoid", "abs", "relu", "sign"):
                x = getattr(torch, function)(state[0] + x)
            return x, [(x - leaf).neg().sqrt() for leaf in state]

    lines = dissect(of(Many())).lines()
    assert len(lines) < 20
    assert "  and 4 leaves more" in lines
    assert any(line.endswith("…") for line in lines)


def test_findings_are_shown():
    class Mixing(Named):
        def forward(self, x, state):
            v = state["v"] + state["v"].mean(0, keepdim=True)
            return v, {"v": v, "w": v}

    found = dissect(of(Mixing()))
    assert "  but rows of the batch depend on each other" in found.lines()
    assert found.as_dict()["structure"]["findings"] == ["rows of the batch depend on each other"]
