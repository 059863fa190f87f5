"""Text, in the experiment on ParaRNN."""

from __future__ import annotations

import pytest
import torch

from ostinato.experiments import pararnn_language
from ostinato.experiments.experiment import silent
from ostinato.experiments.pararnn_language import Size, solves, text_task
from ostinato.experiments.pararnn_nets import language_net


def test_scores_are_compared_with_counted_ngrams(tmp_path):
    (tmp_path / "a.txt").write_text("to be, or not to be: that is the question. " * 200)
    size = Size(16, 1, 4, 40, 2e-2, characters=400, order=1)
    found = pararnn_language.measure(size, 1, silent, text_task(size, str(tmp_path)))
    assert set(found.values) == set(pararnn_language.CLAIMS)
    for cell in pararnn_language.CELLS:
        assert all(-4 < value < 0.5 for value in found.values[pararnn_language.NGRAM[cell]])
        assert all(1 <= value <= 4 for value in found.values[pararnn_language.TRAINED[cell]])
    gru, lstm = (found.values[claim][0] for claim in pararnn_language.NGRAM.values())
    assert found.values[pararnn_language.ALIKE] == [pytest.approx(lstm - gru)]
    (panel,) = found.panels
    assert [curve.label for curve in panel.curves] == ["ParaGRU", "ParaLSTM", "ParaGRU, a = 0"]
    for curve in panel.curves:
        assert all(run[-1] < run[0] - 0.5 for run in curve.runs)


def test_every_layer_is_solved_and_the_model_is_the_same():
    torch.manual_seed(0)
    net = language_net("ParaLSTM", 9, 8, 2)
    symbols = torch.randint(9, (1, 30))
    found = solves(net, symbols)
    assert [solve.steps for solve in found] == [30, 30]
    assert all(solve.engine is None for solve in found)
    assert [block.recurrence.engine for block in net.layer.layers] == ["auto", "auto"]
    assert pararnn_language._iterations(found[0]) == found[0].iterations
