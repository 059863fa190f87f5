from __future__ import annotations

import pytest
import torch

from ostinato.engines.fused.toolchain import find_compiler
from ostinato.engines.parallel import sequential
from ostinato.engines.parallel.affine import prepare
from ostinato.engines.parallel.log_depth import log_depth

from .loop import SHAPES, assert_near, random

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="needs a C++ compiler")


@pytest.mark.parametrize("units", [1, 15, 16, 17, 70_000])
@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("reverse", [False, True])
def test_groups_of_any_size_fill_every_place(kind, units, reverse):
    """More units than one group or one run holds; room is filled with NaN first."""
    batch = max(1, units // 5)
    prepared = prepare(*random(kind, 2, batch), kind, reverse, None, None)
    out = sequential.room(prepared[0].form, prepared[2]).fill_(torch.nan)
    sequential.run(*prepared, out)
    assert_near([out], [log_depth(*prepared)])


def test_which_tensors_have_a_loop(monkeypatch):
    assert sequential.compiled(torch.empty(2))
    assert not sequential.compiled(torch.empty(2, dtype=torch.bfloat16))
    assert not sequential.compiled(torch.empty(2, device="meta"))
    monkeypatch.setattr(sequential, "find_compiler", lambda: None)
    assert not sequential.compiled(torch.empty(2))


def test_states_lie_like_b():
    form = prepare(*random("block", 3), "block", False, None, None)[0].form
    planes = torch.empty(2, 5, 3, 8).permute(1, 2, 3, 0)
    assert sequential.room(form, planes).stride() == planes.stride()
    assert sequential.room(form, torch.empty(5, 3, 8, 4)[..., ::2]).is_contiguous()
    assert sequential.room(form, torch.empty(5, 3, 8, 9)).is_contiguous()
