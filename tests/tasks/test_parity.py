import torch

from ostinato.tasks.parity import ParityTask


def test_answers():
    bits = torch.tensor([[0, 1, 0, 1, 1]]).bool()
    answers = [bool(ParityTask().answer(bits, n)) for n in (2, 3, 4, 5)]
    assert answers == [False, False, True, True]


def test_training_sequences_have_frequencies_of_their_own():
    frequencies = ParityTask(n=30).batch(0, 4000).inputs.mean((1, 2))
    assert abs(float((frequencies < 0.25).float().mean()) - 0.25) < 0.03
