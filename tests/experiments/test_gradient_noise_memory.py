"""Memory networks, in the experiment on gradient noise."""

from __future__ import annotations

from ostinato.experiments import gradient_noise_memory
from ostinato.experiments.experiment import silent
from ostinato.experiments.gradient_noise_memory import CLAIMS, ONE_STAGE, Size, train
from ostinato.tasks.babi import BabiTask


def test_every_claim_is_measured_once_per_seed():
    measured = gradient_noise_memory.measure(Size(1, kinds=(1,), memories=10), 1, silent)
    assert set(measured.values) == set(CLAIMS)
    (panel,) = measured.panels
    assert len(panel.curves) == 4
    plain, noisy = panel.curves[:2]
    assert measured.values[ONE_STAGE] == [plain.runs[0][-1] - noisy.runs[0][-1]]


def test_a_network_learns_one_supporting_fact():
    task = BabiTask(kinds=(1,))
    errors = train(task, Size(20, memories=10), False, 0.0, 0, silent, "")
    assert len(errors) == 20
    assert errors[-1] < 15 < errors[0]


def test_a_linear_start_ends_when_the_validation_loss_rises(monkeypatch):
    losses = iter([3.0, 2.0, 2.5] + 17 * [1.0])
    seen = []

    def evaluate(net, task, split):
        seen.append(net.hop.linear)
        return (next(losses), 50.0) if split == "valid" else (0.0, 50.0)

    monkeypatch.setattr(gradient_noise_memory, "evaluate", evaluate)
    monkeypatch.setattr(gradient_noise_memory, "BATCH", 450)
    train(BabiTask(kinds=(1,)), Size(20, memories=10), True, 0.0, 0, silent, "")
    # on validation and test of the first three epochs
    assert seen == [*5 * [True], *35 * [False]]


def test_a_linear_start_takes_a_quarter_at_most(monkeypatch):
    losses, seen = iter(range(9, 0, -1)), []

    def evaluate(net, task, split):
        seen.append(net.hop.linear)
        return (next(losses), 50.0) if split == "valid" else (0.0, 50.0)

    monkeypatch.setattr(gradient_noise_memory, "evaluate", evaluate)
    monkeypatch.setattr(gradient_noise_memory, "BATCH", 450)
    train(BabiTask(kinds=(1,)), Size(8, memories=10), True, 0.0, 0, silent, "")
    assert seen[::2] == [True, True, *6 * [False]]
