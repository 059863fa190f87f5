"""The list of experiments."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import pytest

from ostinato.core.errors import ArgumentError
from ostinato.experiments import experiment_names, find_experiment


def test_experiments_are_found_by_their_files():
    assert {"layer-norm", "gradient-noise"} <= set(experiment_names())


@pytest.mark.parametrize("slug", experiment_names())
def test_every_experiment_is_whole(slug):
    experiment = find_experiment(slug)
    assert experiment.slug == slug
    assert {"small", "paper"} <= set(experiment.scales)
    assert len({claim.text for claim in experiment.claims}) == len(experiment.claims) > 0
    for claim in experiment.claims:
        assert claim.paper
        assert claim.bounds.count("≥") + claim.bounds.count("≤") > 0
        assert claim.scale is None or claim.scale in experiment.scales
    for scale in experiment.scales.values():
        assert is_dataclass(scale)
        assert fields(scale)


def test_a_paper_without_an_experiment_is_told_apart_from_no_paper():
    with pytest.raises(ArgumentError, match="'cola' has no experiment yet"):
        find_experiment("cola")
    with pytest.raises(ArgumentError, match=r"No paper is called 'layernorm'\. Did you mean"):
        find_experiment("layernorm")
