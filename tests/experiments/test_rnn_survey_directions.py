from __future__ import annotations

import torch

from ostinato.experiments.rnn_survey_directions import net


def test_only_two_directions_see_what_comes():
    x = torch.randint(8, (1, 6))
    later = x.clone()
    later[0, 3] = (x[0, 3] + 1) % 8
    for both in (True, False):
        model = net(both)
        assert model.head.in_features == 48
        with torch.no_grad():
            change = (model(x)[0] - model(later)[0])[0].abs().sum(-1)
        assert bool(change[0] > 0) == both
        assert bool(change[3] > 0)
