"""Peers that are not there, in plain torch, with the signatures that they document."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType

import pytest
import torch

import ostinato as ost
from ostinato.core.recurrence import Recurrence
from ostinato.core.registry import engines
from ostinato.core.state import leaves
from ostinato.engines.peers import installed


@pytest.fixture
def install(monkeypatch):
    """Put modules in the place of libraries, and let their kernels run on the CPU."""

    def put(**modules):
        for name, members in modules.items():
            module = ModuleType(name)
            vars(module).update(members)
            monkeypatch.setitem(sys.modules, name.replace("__", "."), module)

    monkeypatch.setattr(installed, "DEVICES", ("cpu",))
    return put


def outcome(cell, engine, x, state=None, reverse=False):
    """Outputs, last state, and gradients of inputs, first state and parameters."""
    x = x.clone().requires_grad_()
    state = state and tuple(leaf.clone().requires_grad_() for leaf in state)
    given = state if state is None or len(state) > 1 else state[0]
    results = leaves(ost.RNN(cell, engine, reverse=reverse)(x, given))
    wanted = [x, *(state or ()), *cell.parameters()]
    loss = torch.stack([(r * r + r).sum() for r in results]).sum()
    return [*results, *torch.autograd.grad(loss, wanted)]


def assert_same(cell, engine, x, **options):
    found, expected = (outcome(cell, name, x, **options) for name in (engine, "reference"))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def reason(cell, engine, x, **options):
    """Why an engine declines; no other is asked, since they would compile."""

    def step(state, x):
        y, new = cell(x, state)
        return new, y

    xs = x.transpose(0, 1)
    given = Recurrence(step, cell.initial_state(len(x)), xs, len(xs), cell=cell, identity=(cell,))
    return engines()[engine].decline(replace(given, **options))
