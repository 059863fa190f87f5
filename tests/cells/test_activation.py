from __future__ import annotations

import pytest
import torch

from ostinato.cells.activation import activation_function
from ostinato.core.errors import ArgumentError


def test_a_name_or_a_function():
    x = torch.tensor([-2.0, 0.5])
    assert activation_function("hardtanh")(x).tolist() == [-1.0, 0.5]
    assert activation_function("identity")(x) is x
    assert activation_function(torch.sin) is torch.sin


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ArgumentError, match="Did you mean 'sigmoid'"):
        activation_function("sigmoyd")
