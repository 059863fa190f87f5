"""Claims, rows and what an experiment makes of a measurement."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest
import torch

from ostinato.core.errors import ArgumentError
from ostinato.experiments.experiment import (
    Claim,
    Curve,
    Experiment,
    Measurement,
    Panel,
    silent,
)

ABOVE = Claim("gain", "1.2", at_least=1.0)
BELOW = Claim("loss", "0.1", at_most=0.2)


def experiment(values):
    def measure(scale, seeds, track):
        for _ in track(range(scale), "steps"):
            pass
        return Measurement(values(seeds), [Panel("x", "y", [Curve("c", [1], [[2]] * seeds)])])

    return Experiment("deer", "title", (ABOVE, BELOW), {"small": 2, "paper": 20}, measure)


def test_a_claim_holds_if_every_seed_does():
    row = ABOVE.row([1.0, 2.0, 3.0])
    assert (row.measured, row.spread, row.holds) == (2.0, 1.0, True)
    assert not ABOVE.row([0.99, 5.0, 5.0]).holds
    assert not BELOW.row([0.1, 0.21]).holds
    assert BELOW.row([0.2]).holds


def test_a_claim_about_the_mean_holds_if_the_mean_does():
    claim = Claim("difference", "0", at_least=-1, at_most=1, every_seed=False)
    assert claim.row([-1.5, 1.5]).holds
    assert not claim.row([0.5, 1.7]).holds
    assert claim.bounds == "the mean ≥ -1 and ≤ 1"
    assert ABOVE.bounds == "every seed ≥ 1"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_a_finite_number_holds_only_where_it_may(value):
    assert not BELOW.row([value, 0.1]).holds
    assert ABOVE.row([math.nan]).holds is False


def test_one_seed_has_no_spread():
    assert ABOVE.row([2.0]).spread == 0.0


def test_the_result_is_reproduced_if_all_claims_hold():
    good = experiment(lambda seeds: {ABOVE: [2.0] * seeds, BELOW: [0.0] * seeds}).run(seeds=2)
    assert good.reproduced
    assert [row.claim for row in good.rows] == ["gain", "loss"]
    assert (good.slug, good.scale, good.seeds) == ("deer", "small", 2)
    assert good.seconds > 0
    bad = experiment(lambda seeds: {ABOVE: [0.0] * seeds, BELOW: [0.0] * seeds}).run(seeds=2)
    assert not bad.reproduced


def test_progress_is_told():
    told = []

    def track(items, text):
        told.append((len(items), text))
        return silent(items, text)

    values = lambda seeds: {ABOVE: [2.0], BELOW: [0.0]}  # noqa: E731
    experiment(values).run("paper", 1, track)
    assert told == [(20, "steps")]


def test_the_random_state_and_the_threads_are_left_alone():
    def measure(scale, seeds, track):
        assert torch.get_num_threads() == 1
        torch.manual_seed(123)
        return Measurement({ABOVE: [2.0]}, [])

    torch.set_num_threads(2)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    Experiment("deer", "title", (ABOVE,), {"small": None}, measure).run(seeds=1)
    assert torch.get_num_threads() == 2
    assert torch.equal(torch.rand(1), expected)


def test_unknown_scales_and_no_seeds_are_refused():
    made = experiment(lambda seeds: {})
    with pytest.raises(ArgumentError, match="Did you mean 'small'"):
        made.run("smal")
    with pytest.raises(ArgumentError, match="1 seed or more; got 0"):
        made.run(seeds=0)


def test_data_of_the_user_reach_the_measurement():
    @dataclass(frozen=True)
    class Size:
        data: str | None = None

    seen = []

    def measure(size, seeds, track):
        seen.append(size.data)
        return Measurement({ABOVE: [2.0]}, [])

    with_data = Experiment("deer", "title", (ABOVE,), {"small": Size(), "paper": Size()}, measure)
    with_data.run(seeds=1)
    with_data.run(seeds=1, data="folder")
    assert seen == [None, "folder"]
    with pytest.raises(ArgumentError, match="takes no data; got 'folder'"):
        experiment(lambda seeds: {}).run(data="folder")


def test_several_sets_of_data_are_named():
    @dataclass(frozen=True)
    class Size:
        data: Mapping[str, str | None]

    seen = []

    def measure(size, seeds, track):
        seen.append(size.data)
        return Measurement({ABOVE: [1.0]}, [])

    sizes = {"small": Size({"audio": None, "images": None})}
    with_data = Experiment("deer", "title", (ABOVE,), sizes, measure)
    with_data.run(seeds=1, data={"images": "folder"})
    assert seen == [{"audio": None, "images": "folder"}]
    with pytest.raises(ArgumentError, match=r"--data.audio, --data.images; got 'folder'"):
        with_data.run(data="folder")
    with pytest.raises(ArgumentError, match=r"no data 'image'.*'images'"):
        with_data.run(data={"image": "folder"})


def test_a_part_is_measured_by_itself_and_judged_by_its_claims():
    def loss(scale, seeds, track):
        return Measurement({BELOW: [0.1 * scale] * seeds}, [])

    whole = experiment(lambda seeds: {ABOVE: [0.0] * seeds})
    both = replace(whole, measure={"gain": whole.measure, "loss": loss})
    found = both.run("small", 2, part="loss")
    assert [(row.claim, row.measured, row.holds) for row in found.rows] == [("loss", 0.2, True)]
    assert [row.claim for row in both.run("small", 2).rows] == ["gain", "loss"]
    with pytest.raises(ArgumentError, match=r"no part 'los'.*'loss'"):
        both.run("small", 2, part="los")
