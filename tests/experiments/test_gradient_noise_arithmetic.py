"""Neural GPUs, in the experiment on gradient noise."""

from __future__ import annotations

from ostinato.experiments import gradient_noise_arithmetic
from ostinato.experiments.experiment import silent
from ostinato.experiments.gradient_noise_arithmetic import FEWER, Size


def test_the_claim_is_measured_once_per_seed():
    measured = gradient_noise_arithmetic.measure(Size(12, digits=1, maps=4), 2, silent)
    plain, noisy = measured.panels[0].curves
    last = [a[-1] - b[-1] for a, b in zip(plain.runs, noisy.runs, strict=True)]
    assert measured.values == {FEWER: last}
    assert len(plain.x) == len(plain.runs[0]) == 12


def test_a_net_learns_to_multiply_single_digits():
    wrong = gradient_noise_arithmetic.train(Size(96, digits=1, maps=8), 0.0, 0, silent, "")
    assert wrong[-1] < 5
