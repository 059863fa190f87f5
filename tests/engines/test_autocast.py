from __future__ import annotations

import torch
from torch import nn

from ostinato.core.recurrence import Recurrence
from ostinato.engines.autocast import autocast_inside


def test_the_step_enters_autocast_and_keeps_the_dtype_of_its_carry():
    layer = nn.Linear(3, 3)
    call = Recurrence(lambda h, x: (layer(h),) * 2, torch.ones(2, 3), torch.ones(4, 2, 3), 4,
                      identity=(layer,))  # fmt: skip
    assert autocast_inside(call, "cpu") is call
    with torch.autocast("cpu", torch.bfloat16):
        inside = autocast_inside(call, "cpu")
    new, y = inside.step(call.init, None)
    assert (new.dtype, y.dtype) == (torch.float32, torch.bfloat16)
    assert inside.identity == (layer, torch.bfloat16)
