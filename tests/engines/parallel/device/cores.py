"""Cores of cells in the language of generated code."""

from __future__ import annotations

import torch

from ostinato.cells import make_cell
from ostinato.compiler.fission import split
from ostinato.compiler.structure import structure
from ostinato.compiler.trace import trace
from ostinato.engines.parallel.device.newton import lowered
from ostinato.engines.parallel.linearise import groups


def core_of(name, units=5):
    """The core of a cell whose state is one group."""
    (core,) = cores_of(make_cell(name, 3, units))
    return core


def cores_of(cell):
    """The core of each group of a cell."""

    def step(state, x):
        y, new = cell(x, state)
        return new, y

    fission = split(trace(step, cell.initial_state(2), torch.zeros(2, 3)))
    return lowered(fission, groups(structure(fission)))
