from __future__ import annotations

import torch
from torch import fx

from ostinato.compiler.record import record
from ostinato.compiler.widen import wide, widen


def test_roundings_are_left_out_and_other_casts_stay():
    def rounded(h):
        return [(h.bfloat16() * 3).float(), (h > 1).double()]

    x = torch.tensor([[1.001, 0.999]])
    stage = widen(record(rounded, [x]))
    assert isinstance(stage, fx.GraphModule)
    product, above = stage(x)
    assert torch.equal(product, 3 * x)
    assert not torch.equal(product, rounded(x)[0])
    assert above.dtype == torch.float64


def test_only_sixteen_bits_are_converted():
    given = [torch.ones(1, dtype=d) for d in (torch.float16, torch.float64, torch.int8)]
    assert [wide(x).dtype for x in given] == [torch.float32, torch.float64, torch.int8]
    assert wide(None) is None
