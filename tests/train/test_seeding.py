"""Seeds differ for every step, stream and seed."""

from __future__ import annotations

from ostinato.train.seeding import step_seed


def test_no_two_steps_share_the_32_bits_that_torch_reads() -> None:
    seeds = [step_seed(0, step) for step in range(100_000)]
    assert len(set(seeds)) == len(seeds)
    assert 0 <= min(seeds) <= max(seeds) < 2**32


def test_seeds_and_streams_are_not_shifts_of_one_another() -> None:
    first = {step_seed(0, step) for step in range(1000)}
    assert not first & {step_seed(1, step) for step in range(1000)}
    assert not first & {step_seed(0, step, "dropout") for step in range(1000)}


def test_the_numbers_are_those_of_every_earlier_run() -> None:
    assert [step_seed(0, 0), step_seed(1, 2, "noise")] == [2899959917, 3390044631]
