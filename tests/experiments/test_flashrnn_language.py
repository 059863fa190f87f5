"""Text, in the experiment on FlashRNN."""

from __future__ import annotations

from ostinato.experiments import flashrnn_language
from ostinato.experiments.experiment import silent
from ostinato.experiments.flashrnn_language import CLAIMS, MIXING, NGRAM, VARIANTS, Size


def test_variants_are_compared_with_one_another_and_with_counted_ngrams(tmp_path):
    (tmp_path / "a.txt").write_text("to be, or not to be: that is the question. " * 200)
    size = Size(16, 1, 4, 40, 2e-2, characters=400, order=1)
    found = flashrnn_language.measure(size, 1, silent, str(tmp_path))
    assert set(found.values) == set(CLAIMS)
    assert -4 < found.values[NGRAM][0] < 0.5
    assert -2 < found.values[MIXING][0] < 2
    (panel,) = found.panels
    assert len(panel.curves) == len(VARIANTS)
    bits = [float(curve.label.split(": ")[1].split()[0]) for curve in panel.curves]
    assert abs(bits[0] - bits[1] - found.values[MIXING][0]) < 0.011
    for curve in panel.curves:
        assert all(run[-1] < run[0] - 0.5 for run in curve.runs)
