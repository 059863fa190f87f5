from __future__ import annotations

import pytest
import torch

from ostinato.models.time.delta_product import DeltaProduct, DeltaProductConfig
from ostinato.models.weight_decay import parameter_groups


@pytest.mark.parametrize("gate", [False, True])
def test_rates_and_steps_of_gates_do_not_decay(gate):
    config = DeltaProductConfig(symbols=5, width=8, layers=2, head_dim=4, use_forget_gate=gate)
    model = DeltaProduct(config)
    groups = parameter_groups(model)
    assert len(groups) == 1 + gate
    found = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(found) == sorted(map(id, model.parameters()))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    if gate:
        spared = {names[id(parameter)].split(".")[-1] for parameter in groups[1]["params"]}
        assert spared == {"A_log", "gate_bias"}
        assert groups[1]["weight_decay"] == 0.0


def test_what_is_not_trained_is_in_no_group():
    model = torch.nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    assert parameter_groups(model) == [{"params": [model.weight]}]
