from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.core.errors import EngineError

from .steps import Peephole


def test_a_second_derivative_is_refused():
    cell, x = Peephole(), torch.randn(2, 9, 3, requires_grad=True)
    y = ost.RNN(cell, "parallel")(x)[0]
    with pytest.raises(EngineError, match="cannot be differentiated again"):
        torch.autograd.grad(y.sum(), x, create_graph=True)
