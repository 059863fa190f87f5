import torch

from ostinato.tasks.look_ahead import LookAheadTask


def test_the_target_is_the_symbol_of_some_steps_later():
    batch = LookAheadTask(classes=5, delay=3, steps=10).batch(0, 20)
    assert torch.equal(batch.targets[:, :7], batch.inputs[:, 3:])
    assert batch.weights[0].tolist() == [1.0] * 7 + [0.0] * 3
