"""The stand-ins for the device's library are used where kernels are interpreted, and there only."""

from __future__ import annotations

import pytest

pytest.importorskip("triton")

from ostinato.engines.fused.device import interpreted, routines


@pytest.mark.skipif(not routines.INTERPRETED, reason="kernels run on a device")
@pytest.mark.parametrize("name", ["tanh", "expm1", "log1p", "power", "largest", "steps"])
def test_stand_ins(name):
    assert getattr(routines, name) is getattr(interpreted, name)
