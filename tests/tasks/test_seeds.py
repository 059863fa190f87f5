import torch

from ostinato.tasks.seeds import generator_at


def draw(*place):
    return torch.rand(4, generator=generator_at(*place)).tolist()


def test_same_place_same_numbers():
    assert draw(3, "train", 7) == draw(3, "train", 7)


def test_places_do_not_meet():
    places = [(seed, part, k) for seed in range(5) for part in ("train", "valid") for k in range(5)]
    assert len({tuple(draw(*place)) for place in places}) == len(places)
