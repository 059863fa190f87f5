from __future__ import annotations

import pytest
import torch

from ostinato.cells.activations import activate, check_activation
from ostinato.core.errors import ArgumentError


def test_names_and_functions():
    a = torch.tensor([-2.0, 3.0])
    assert activate("leaky_relu", a).tolist() == pytest.approx([-0.02, 3])
    assert activate("identity", a) is a
    assert activate(torch.square, a).tolist() == [4, 9]
    check_activation(torch.square)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ArgumentError, match="Did you mean 'tanh'"):
        check_activation("tan")
