"""Which parameters of a model weight decay pulls towards zero: those that none of it spares."""

from __future__ import annotations

from typing import Any

from torch import nn


def parameter_groups(model: nn.Module) -> list[dict[str, Any]]:
    """For an optimizer: what is trained, and in a group of its own what must not decay.

    A module names the parameters of its own that zero is no neutral value for in `no_weight_decay`.

        optimizer = torch.optim.AdamW(parameter_groups(model), 1e-3)
    """
    spared = {
        id(getattr(module, name, None))
        for module in model.modules()
        for name in getattr(module, "no_weight_decay", ())
    }
    kinds: dict[bool, list[nn.Parameter]] = {False: [], True: []}
    for parameter in model.parameters():
        if parameter.requires_grad:
            kinds[id(parameter) in spared].append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": kinds[False]},
        {"params": kinds[True], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
