"""Iterations and gradients at the beginning, in the experiment on ParaRNN."""

from __future__ import annotations

import math

import pytest
import torch

from ostinato.analysis.convergence import Convergence
from ostinato.engines.parallel.newton import Outcome, Solve
from ostinato.experiments import pararnn_solves
from ostinato.experiments.experiment import silent
from ostinato.experiments.pararnn_solves import Size


@pytest.fixture(scope="module")
def measured():
    return pararnn_solves.measure(Size(lengths=(32, 256), gradient_steps=33), 1, silent)


def test_the_claims_hold(measured):
    assert set(measured.values) == set(pararnn_solves.CLAIMS)
    assert all(claim.row(measured.values[claim]).holds for claim in pararnn_solves.CLAIMS)


def test_curves(measured):
    iterations, residuals = measured.panels
    assert [curve.x for curve in iterations.curves] == [[5, 8]] * 4
    for curve in residuals.curves:
        for run in curve.runs:
            assert run == sorted(run, reverse=True)
            assert run[0] > -2
            assert run[-1] < -12


def test_what_was_not_solved_does_not_count_as_few():
    solve = Solve(Outcome.CAP, (1.0, 0.5), engine="fused")
    assert pararnn_solves._iterations(Convergence((solve,), 0.0)) == math.inf


def test_the_gradient_error_sees_a_wrong_gradient(monkeypatch):
    true = pararnn_solves._gradients

    def wrong(cell, x, engine):
        found = list(true(cell, x, engine))
        if engine == "parallel":
            found[-1] = found[-1] + 1e-6 * torch.ones_like(found[-1])
        return found

    assert pararnn_solves._gradient_error("ParaLSTM", 9, 0) < 1e-14
    monkeypatch.setattr(pararnn_solves, "_gradients", wrong)
    assert pararnn_solves._gradient_error("ParaLSTM", 9, 0) > 1e-10
