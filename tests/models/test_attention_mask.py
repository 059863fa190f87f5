from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ShapeError
from ostinato.models.attention_mask import Turned

MASK = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]])


def test_rows_begin_at_their_first_valid_step_and_come_back():
    turned, x = Turned(MASK, 4, 4), torch.arange(16).view(4, 4)
    assert turned.lengths.tolist() == [2, 3, 4, 0]
    assert turned.there(x)[0].tolist() == [2, 3, 0, 1]
    assert turned.back(turned.there(x)).equal(x)


def test_holes_and_other_shapes():
    with pytest.raises(ShapeError, match="one with holes"):
        Turned(torch.tensor([[1, 0, 1]]), 1, 3)
    with pytest.raises(ShapeError, match=r"must be \(1, 4\)"):
        Turned(torch.ones(1, 3), 1, 4)
