import pytest
import torch

from ostinato.tasks.k_hop import KHopTask


@pytest.mark.parametrize(
    ("k", "expected"),
    #         a  b  a  c  b  a  a       find: -  -  1  -  2  3  6
    [(1, [3, 3, 1, 3, 0, 2, 0]), (2, [3, 3, 3, 3, 1, 3, 0])],
)
def test_a_sequence_worked_out_by_hand(k, expected):
    inputs = torch.tensor([[0, 1, 0, 2, 1, 0, 0]])
    assert KHopTask(k=k, symbols=3).answers(inputs).tolist() == [expected]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_it_is_what_a_walk_finds(k):
    batch = KHopTask(k=k, symbols=4, steps=30).batch(0, 5)
    for row, targets in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
        for start, target in enumerate(targets):
            place = start
            for _ in range(k):
                if place is not None:
                    earlier = [j for j in range(place) if row[j] == row[place]]
                    place = earlier[-1] + 1 if earlier else None
            assert target == (4 if place is None else row[place])
