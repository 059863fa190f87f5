from __future__ import annotations

import pytest
import torch

from ostinato.tasks.reber import Chance, ReberTask, invalid, is_valid, letters, valid


def chance():
    return Chance(torch.Generator().manual_seed(0))


@pytest.mark.parametrize("string", ["BTXSE", "BPVVE", "BTSSXXTVPSE", "BPTVPXVVE"])
def test_strings_of_the_grammar(string):
    assert is_valid(string)


@pytest.mark.parametrize("string", ["BTXS", "BTVVE", "BPXSE", "", "BTXSEB", "MTXSE"])
def test_strings_that_are_not(string):
    assert not is_valid(string)


def test_both_sides_are_what_they_are_said_to_be():
    source = chance()
    right, wrong = ([draw(source) for _ in range(400)] for draw in (valid, invalid))
    assert all(map(is_valid, right))
    assert not any(map(is_valid, wrong))
    assert all(s[0] == "B" and s[-1] == "E" and len(s) >= 11 for s in (*right, *wrong))
    usual = [s for s in wrong if set(s) <= set("BTPSXVE")]
    # 44 % by construction; other letters are by chance the usual ones almost never.
    assert len(usual) / len(wrong) == pytest.approx(0.44, abs=0.08)
    mean = [sum(map(len, side)) / len(side) for side in (right, wrong)]
    assert mean[0] == pytest.approx(mean[1], abs=1)


def test_batches_are_codes_padded_with_zeros():
    batch = ReberTask().batch(0, 50)
    assert batch.inputs.shape == (50, int(batch.lengths.max()))
    strings = [letters(row) for row in batch.inputs]
    assert [len(string) for string in strings] == batch.lengths.tolist()
    assert [is_valid(string) for string in strings] == batch.targets.bool().tolist()
