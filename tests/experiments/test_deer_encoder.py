"""The classifier of the experiments on DEER."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from ostinato.cells.gru import GRUCell
from ostinato.experiments.deer_encoder import Encoder
from ostinato.over.time import RNN
from ostinato.tasks.which_process import WhichProcessTask


def norm(u):
    return (u - u.mean(-1, keepdim=True)) / (u.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()


def net(task, depth=2):
    torch.manual_seed(0)
    return Encoder(task, 4, [RNN(GRUCell(4, 4), "reference") for _ in range(depth)])


def test_it_is_what_it_says():
    task = WhichProcessTask(steps=9)
    model, x = net(task), task.batch(1, 3).inputs
    u = model.encode((x - model.mean) / model.deviation)
    for layer, mlp in zip(model.layers, model.mlps, strict=True):
        u = norm(u)
        u = norm(layer(u)[0] + u)
        u = mlp(u) + u
    first, _, last = model.classify
    expected = last(F.gelu(first(u.mean(1))))
    torch.testing.assert_close(model(x), expected)
    assert expected.shape == (3, 5)


def test_inputs_are_brought_to_one_scale():
    class Loud(WhichProcessTask):
        def draw(self, generator, batch_size):
            batch = super().draw(generator, batch_size)
            return type(batch)(3 + 100 * batch.inputs, batch.targets)

    quiet, loud = WhichProcessTask(steps=9), Loud(steps=9)
    answers = [net(task)(task.batch(1, 3).inputs) for task in (quiet, loud)]
    torch.testing.assert_close(*answers, rtol=1e-4, atol=1e-4)
