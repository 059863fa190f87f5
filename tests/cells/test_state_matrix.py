"""A and B as they are."""

from __future__ import annotations

import torch

from ostinato.cells.discretise import discretise
from ostinato.cells.hippo import hippo
from ostinato.cells.state_matrix import StateMatrix


def test_matrices_as_they_are_may_be_fixed_or_learned():
    fixed = StateMatrix(hippo("fout", 4))
    assert not list(fixed.parameters())
    assert set(fixed.state_dict()) == {"A", "B"}
    learned = StateMatrix(hippo("fout", 4), learned=True, copies=2)
    assert [p.shape for p in learned.parameters()] == [(2, 4, 4), (2, 4)]
    steps = torch.tensor([0.1, 0.3])
    torch.testing.assert_close(
        learned.discretised(steps, "zoh"), discretise(*learned.matrices(), steps, "zoh")
    )
