import pytest
import torch

from ostinato.analysis.linear_probe import linear_probe
from ostinato.core.errors import ShapeError


def test_what_lies_in_the_states_is_found_and_nothing_else():
    torch.manual_seed(0)
    states, targets = torch.randn(200, 3, 5), torch.randn(200)
    states[:, 1, :2] = torch.stack([targets, -targets], 1)
    found = linear_probe(states, targets)
    assert found.metric == "R²"
    assert found.scores[1] > 0.99
    assert found.scores[0] < 0.1
    assert found.chance == 0


def test_classes_step_by_step():
    torch.manual_seed(0)
    targets = torch.randint(3, (300, 4))
    states = torch.nn.functional.one_hot(targets, 3).float()
    states[:, 2:] = torch.randn(300, 2, 3)
    found = linear_probe(states, targets)
    assert found.metric == "accuracy"
    assert found.scores[:2].tolist() == [1, 1]
    assert found.scores[2:].max() < 0.5
    assert found.chance == pytest.approx(1 / 3, abs=0.1)
    assert len(found.table().rows) == 4
    assert found.plot().axes[0].get_xlabel() == "step"


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ShapeError, match=r"got \[10, 4, 2\], \[10, 3\]"):
        linear_probe(torch.randn(10, 4, 2), torch.randn(10, 3))
    with pytest.raises(ShapeError, match="two sequences at least"):
        linear_probe(torch.randn(3, 4, 2), torch.randn(3))
