from __future__ import annotations

from ostinato.experiments import sparse_lowrank_cfc_control as control
from ostinato.experiments.experiment import silent
from ostinato.tasks.cart_pole import CartPoleTask


def test_every_kind_acts_in_every_world(quick_compile, monkeypatch):
    monkeypatch.setattr(CartPoleTask, "horizon", 20)
    found = control.measure(control.Size(updates=1, units=6, episodes=4), 1, silent)
    assert set(found.values) == set(control.CLAIMS)
    steps, radii = found.panels
    assert [len(curve.runs[0]) for curve in steps.curves] == [6] * 6
    assert [len(curve.runs[0]) for curve in radii.curves] == [2, 3]
    dense, both = (
        next(c.runs[0] for c in steps.curves if c.label == str(kind))
        for kind in (control.DENSE, control.BOTH)
    )
    assert found.values[control.HEADLINE] == [sum(both[1:]) / 5 - sum(dense[1:]) / 5]


def test_training_lowers_the_loss(quick_compile):
    net, task = control.policy(control.BOTH, 8, 0), CartPoleTask(20)
    losses = control.fit(net, task, range(40), 40)
    assert losses[-1] < 0.7 * losses[0]
