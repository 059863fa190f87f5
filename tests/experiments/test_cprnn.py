"""The experiment on second-order networks."""

from __future__ import annotations

from functools import partial

import pytest

from ostinato.experiments import cprnn_language, cprnn_parity
from ostinato.experiments.cprnn import EXPERIMENT, Scale
from ostinato.experiments.experiment import joined, silent
from ostinato.over.time import RNN

from .completeness import check_complete


def test_every_claim_is_measured_once_per_seed(tmp_path, monkeypatch):
    # For a few steps the loop is quicker than to compile nine cells.
    for part in (cprnn_parity, cprnn_language):
        monkeypatch.setattr(part, "RNN", partial(RNN, engine="reference"))
    (tmp_path / "text.txt").write_text("a verse that ends, and then another verse. " * 200)
    scale = Scale(
        cprnn_parity.Size(updates=2),
        cprnn_language.Size(1500, (1, 2, 3), 2, 2, rate=1e-3, characters=200),
        data=str(tmp_path / "text.txt"),
    )
    measured = joined(part(scale, 2, silent) for part in EXPERIMENT.measure.values())
    check_complete(measured, EXPERIMENT, 2)
    parity, text, ranks = measured.panels
    assert len(parity.curves) == 3
    assert len(text.curves) == 7
    assert [*ranks.curves[0].x] == [1, 2, 3]
    assert len(ranks.curves[0].runs) == 2


@pytest.mark.slow
def test_the_small_scale():
    result = EXPERIMENT.run("small", 3)
    holds = {row.claim: row.holds for row in result.rows}
    assert holds[cprnn_language.GAPS["RNN", "MIRNN"].text]
