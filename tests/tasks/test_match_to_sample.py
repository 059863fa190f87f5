import torch

from ostinato.tasks.match_to_sample import MatchToSampleTask


def test_answers():
    bits = torch.tensor([[0, 1, 0, 1, 1]]).bool()
    assert [bool(MatchToSampleTask().answer(bits, n)) for n in (2, 3, 4)] == [True, False, True]


def test_targets_compare_two_symbols():
    batch = MatchToSampleTask(n=5).batch(0, 64)
    symbols = batch.inputs[..., 0]
    assert torch.equal(batch.targets[:, 0].bool(), symbols[:, -5] == symbols[:, -1])
    assert 0.3 < float(batch.targets.mean()) < 0.7
