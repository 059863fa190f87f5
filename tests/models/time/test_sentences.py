"""Dividing texts into sentences."""

import torch

from ostinato.models.time.sentences import sentences


def test_a_text_worked_out_by_hand():
    #                        a  b  .  c  .  d  e  ?
    words = torch.tensor([[3, 4, 1, 5, 1, 6, 7, 2], [3, 1, 4, 5, 2, 0, 0, 0]])
    found = sentences(words, torch.tensor([8, 5]), (1, 2))
    assert found.number.tolist() == [[2, 2, 2, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, -1, -1, -1]]
    assert found.place[0].tolist() == [1, 2, 3, 1, 2, 1, 2, 3]
    assert found.place[1, :5].tolist() == [1, 2, 1, 2, 3]
    assert found.size[0].tolist() == [3, 3, 3, 2, 2, 3, 3, 3]
    assert found.size[1, :5].tolist() == [2, 2, 3, 3, 3]


def test_without_lengths_all_words_count():
    found = sentences(torch.tensor([[3, 1, 4, 1]]), None, (1,))
    assert found.number.tolist() == [[1, 1, 0, 0]]
