"""One file per published system: the effect that its paper claims, reproduced small."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ostinato.core.errors import ArgumentError, nearest
from ostinato.papers import all_papers, find_paper

if TYPE_CHECKING:
    from ostinato.experiments.experiment import Experiment


def experiment_names() -> tuple[str, ...]:
    """The slugs of the papers that have an experiment."""
    return tuple(paper.slug for paper in all_papers() if paper.status == "reproduces")


def find_experiment(slug: str) -> Experiment:
    """The experiment of a paper.

    Raises:
        ArgumentError: if there is no such paper, or it has no experiment yet.
    """
    find_paper(slug)
    if slug not in experiment_names():
        raise ArgumentError(
            f"{slug!r} has no experiment yet. {nearest(slug, experiment_names())} "
            f"What there is of it: ostinato papers {slug}"
        )
    found: Experiment = import_module(f"{__name__}.{slug.replace('-', '_')}").EXPERIMENT
    return found
