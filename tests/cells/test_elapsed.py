from __future__ import annotations

import pytest
import torch

from ostinato.cells.elapsed import with_elapsed
from ostinato.core.errors import ShapeError


def test_without_a_time_one_unit_went_by():
    x = torch.randn(2, 3)
    assert with_elapsed(x) == (x, 1.0)


@pytest.mark.parametrize("shape", [(3,), (3, 3), (1, 3, 1)])
def test_a_time_that_would_be_spread_over_units_is_refused(shape):
    with pytest.raises(ShapeError, match=r"got \[3.* beside \[3, 3\]|got \[1.* beside \[3, 3\]"):
        with_elapsed((torch.randn(3, 3), torch.rand(shape)))
