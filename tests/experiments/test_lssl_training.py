from __future__ import annotations

import torch

from ostinato.experiments.lssl_training import accuracy, fit
from ostinato.models.time.lssl import LSSLNet
from ostinato.models.time.lssl_config import LSSLConfig
from ostinato.tasks.first_segments import FirstSegmentsTask


def test_it_learns_an_easy_task_and_is_tested_at_two_rates():
    task = FirstSegmentsTask(2, 8, 1, noise=0.1, held_out_sequences=100)
    net = LSSLNet(LSSLConfig(outputs=2, width=8, state=4, depth=1))
    losses = fit(net, task, range(60), 60, 32, rate=1e-2)
    assert len(losses) == 60
    assert losses[-1] < 0.3 < losses[0]
    assert accuracy(net, task) > 95
    assert accuracy(net, task, stride=2, rate=2.0) > 90
    assert net.training
    assert {float(cell.rate) for cell in net.cells()} == {1.0}


def test_the_rate_is_asked_for_while_testing():
    seen = []

    class Net(LSSLNet):
        def forward(self, x, *rest):
            seen.append((x.shape[1], float(self.cells()[0].rate), self.training))
            return super().forward(x, *rest)

    task = FirstSegmentsTask(2, 8, 1, held_out_sequences=4)
    accuracy(Net(LSSLConfig(outputs=2, width=4, state=2, depth=1)), task, 2, 2.0)
    assert seen == [(8, 2.0, False)]
    assert torch.is_grad_enabled()
