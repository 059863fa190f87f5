from __future__ import annotations

import gc
import weakref

import torch
from torch import nn

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.compiler.plan import PlanCache, fingerprint
from ostinato.over.layer import Options


def recurrence(cell, rows=2, steps=3, dtype=torch.float32):
    return ost.RNN(cell.to(dtype)).recurrence(
        torch.zeros(rows, steps, 3, dtype=dtype), None, Options()
    )


def test_a_plan_serves_any_batch_and_length():
    made = []
    cache, cell = PlanCache(lambda r: made.append(r) or len(made)), make_cell("GRU", 3, 4)
    assert cache.get(recurrence(cell)) == cache.get(recurrence(cell, 7, 50)) == 1
    assert cache.get(recurrence(cell, dtype=torch.float64)) == 2
    assert cache.get(recurrence(make_cell("GRU", 3, 4))) == 3


def test_whatever_a_trace_may_hold_is_noticed():
    cell = make_cell("LSTM", 3, 4)
    marks = [fingerprint(cell)]
    cell.readout = nn.Tanh()
    marks.append(fingerprint(cell))
    cell.eval()
    marks.append(fingerprint(cell))
    cell.coupled = 0.5
    marks.append(fingerprint(cell))
    cell.input.weight = nn.Parameter(torch.zeros(16, 3))
    marks.append(fingerprint(cell))
    cell.input.register_forward_hook(lambda *_: None)
    marks.append(fingerprint(cell))
    assert len(set(marks)) == len(marks)
    with torch.no_grad():
        cell.input.weight.add_(1)
    assert fingerprint(cell) == marks[-1]


def test_plans_do_not_keep_a_cell_alive():
    cache, cell = PlanCache(lambda r: "plan"), make_cell("GRU", 3, 4)
    cache.get(recurrence(cell))
    gone = weakref.ref(cell)
    del cell
    gc.collect()
    assert gone() is None


def test_only_the_latest_plans_are_kept():
    made = []
    cache = PlanCache(lambda r: made.append(1), most=2)
    cell = make_cell("GRU", 3, 4)
    for mode in (True, False, True, False):
        cache.get(recurrence(cell.train(mode)))
    assert len(made) == 2
