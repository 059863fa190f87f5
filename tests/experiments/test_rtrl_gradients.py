from __future__ import annotations

from ostinato.experiments import rtrl_gradients
from ostinato.experiments.experiment import silent
from ostinato.experiments.rtrl_gradients import CLAIMS, DENSE, EXACT, LOWER, WHOLE, Size


def test_one_layer_is_exact_and_the_one_below_is_not():
    measured = rtrl_gradients.measure(Size(units=3, steps=7, lengths=(2, 6)), 1, silent)
    values = {claim: measured.values[claim][0] for claim in CLAIMS}
    assert max(values[EXACT], values[DENSE], values[WHOLE]) < 1e-12
    assert values[LOWER] > 1e-3
    (panel,) = measured.panels
    runs = {curve.label: curve.runs[0] for curve in panel.curves}
    assert min(runs["exact"]) > 1 - 1e-12
    assert runs["truncated"][-1] < 1 - 1e-3
