"""What every measurement of an experiment has."""

from __future__ import annotations

import math

from ostinato.experiments.experiment import Experiment, Measurement


def check_complete(measured: Measurement, experiment: Experiment, seeds: int = 1) -> None:
    """Every claim has one finite number for each seed, and every point of a curve its x."""
    assert set(measured.values) == set(experiment.claims)
    assert all(len(values) == seeds for values in measured.values.values())
    assert all(math.isfinite(value) for values in measured.values.values() for value in values)
    for panel in measured.panels:
        for curve in panel.curves:
            # What no seed decides, e.g. a target, is drawn once.
            assert len(curve.runs) in (1, seeds)
            assert all(len(run) == len(curve.x) for run in curve.runs)
