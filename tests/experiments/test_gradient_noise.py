"""The experiment on gradient noise, all parts together."""

from __future__ import annotations

import pytest

from ostinato.experiments import (
    gradient_noise_arithmetic,
    gradient_noise_depth,
    gradient_noise_memory,
)
from ostinato.experiments.experiment import joined, silent
from ostinato.experiments.gradient_noise import EXPERIMENT, Scale

pytest.importorskip("mlxtend")


def test_the_parts_make_the_whole():
    scale = Scale(
        gradient_noise_depth.Size(15, eta=0.3, depth=3),
        gradient_noise_memory.Size(1, kinds=(1,), memories=10),
        gradient_noise_arithmetic.Size(12, digits=1, maps=4),
    )
    measured = joined(part(scale, 1, silent) for part in EXPERIMENT.measure.values())
    assert set(measured.values) == set(EXPERIMENT.claims)
    assert len(measured.panels) == 3


@pytest.mark.slow
def test_the_small_scale():
    result = EXPERIMENT.run("small", 3)
    holds = {row.claim: row.holds for row in result.rows}
    woken = [claim for claim in gradient_noise_depth.CLAIMS if claim != gradient_noise_depth.HE]
    assert all(holds[claim.text] for claim in woken)
