from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ostinato.experiments import rnn_survey_labelling
from ostinato.tasks.digit_strings import DigitStringsTask

pytest.importorskip("sklearn")


def test_what_a_search_saves_is_counted_in_edits():
    """A net whose best paths are empty, but whose strings are the right ones."""
    task = DigitStringsTask(shortest=1, longest=1, gap=0)
    batch = next(task.held_out("valid", 100))

    class Told(nn.Module):
        def forward(self, x, state, lengths):
            digit, blank = F.one_hot(batch.targets, 11), F.one_hot(0 * batch.targets, 11)
            # At two steps, of which one at least says the digit with a probability of 0.64.
            said = (torch.arange(8) < 2)[:, None] * 0.4
            return (said * digit + (1 - said) * blank).clamp_min(1e-9).log(), None

    assert rnn_survey_labelling._saved(Told(), task) == 100
