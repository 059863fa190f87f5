from __future__ import annotations

import pytest

from ostinato.experiments import cprnn_parity
from ostinato.experiments.experiment import silent

pytestmark = pytest.mark.usefixtures("quick_compile")


def test_a_second_order_network_learns_parity_in_few_updates(monkeypatch):
    monkeypatch.setattr(cprnn_parity, "_CELLS", {"CPRNN": cprnn_parity._CELLS["CPRNN"]})
    measured = cprnn_parity.measure(cprnn_parity.Size(updates=400), 1, silent)
    assert measured.values[cprnn_parity.SOLVED["CPRNN"]] == [100]
    assert measured.panels[0].curves[0].runs[0][-1] < 0.05
