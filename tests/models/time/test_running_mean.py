from __future__ import annotations

import torch

import ostinato as ost
from ostinato.models.time.running_mean import RunningMean


def test_every_output_is_the_mean_so_far():
    x = torch.randn(2, 9, 3)
    y, (total, count) = ost.RNN(RunningMean(3))(x)
    for t in range(9):
        torch.testing.assert_close(y[:, t], x[:, : t + 1].mean(1))
    torch.testing.assert_close(total, x.sum(1))
    assert count.tolist() == [[9], [9]]


def test_it_keeps_the_contract_of_a_cell():
    engines = ["reference", "parallel"]
    assert not ost.check_cell(RunningMean(3), engines_to_check=engines).failures
