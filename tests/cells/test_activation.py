from __future__ import annotations

import pytest
import torch

from ostinato.cells.activation import activate, check_activation
from ostinato.core.errors import ArgumentError


def test_a_name_or_a_function():
    x = torch.tensor([-2.0, 0.5])
    assert activate("hardtanh", x).tolist() == [-1.0, 0.5]
    assert activate("identity", x) is x
    assert activate(torch.sin, x).tolist() == torch.sin(x).tolist()


def test_an_unknown_name_is_answered_with_the_nearest():
    check_activation("sigmoid")
    check_activation(torch.sin)
    with pytest.raises(ArgumentError, match="Did you mean 'sigmoid'"):
        check_activation("sigmoyd")
