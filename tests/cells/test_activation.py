from __future__ import annotations

import pytest
import torch

import ostinato as ost
from ostinato.cells.activation import activation_function


def test_names_and_functions():
    a = torch.tensor([-1.0, 2.0])
    assert torch.equal(activation_function("relu")(a), torch.tensor([0.0, 2.0]))
    assert torch.equal(activation_function("identity")(a), a)
    assert activation_function(torch.sin) is torch.sin


def test_unknown_names_are_told():
    with pytest.raises(ost.OstinatoError, match=r"called 'tang'\. Did you mean 'tanh'"):
        activation_function("tang")
