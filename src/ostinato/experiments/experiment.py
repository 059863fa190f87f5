"""What an experiment is: claims with their bounds, and a measurement that can refute them.

The bounds stand beside the claims, before anything is measured. A claim holds if the value of
every seed lies within them; an experiment reproduces its paper if every claim holds.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

import torch

from ostinato.core.errors import ArgumentError, nearest
from ostinato.train.run import threads

Item = TypeVar("Item")


class Track(Protocol):
    """Shows the progress of a loop: yields the items of `items` while it tells how far it is."""

    def __call__(self, items: Iterable[Item], text: str) -> Iterable[Item]:
        """Loop over `items`, described by `text`."""


def silent(items: Iterable[Item], text: str) -> Iterable[Item]:
    """A `Track` that shows nothing."""
    return items


Keep = Callable[[str, Callable[[], "Measurement"]], "Measurement"]
"""Called with the name of a part and what measures it: measures it, or has kept it."""


def unkept(name: str, measure: Callable[[], Measurement]) -> Measurement:
    """A `Keep` that measures."""
    return measure()


@dataclass(frozen=True)
class Claim:
    """One number that the paper's claim predicts.

    Attributes:
        text: what is measured, with its unit.
        paper: what the paper reports, as short text.
        at_least: the smallest value with which the claim holds.
        at_most: the largest one.
        every_seed: whether every seed's value has to lie within the bounds, or their mean: for
            differences that are claimed to be small, where one seed says more about chance.
        scale: the only scale at which it is measured; None: every one.
    """

    text: str
    paper: str
    at_least: float = -math.inf
    at_most: float = math.inf
    every_seed: bool = True
    scale: str | None = None

    @property
    def bounds(self) -> str:
        """The bounds in words."""
        who = "every seed" if self.every_seed else "the mean"
        sides = []
        if self.at_least > -math.inf:
            sides.append(f"≥ {self.at_least:g}")
        if self.at_most < math.inf:
            sides.append(f"≤ {self.at_most:g}")
        return f"{who} {' and '.join(sides)}"

    def row(self, values: Sequence[float]) -> Row:
        """Compare the claim with one measured value per seed."""
        mean = statistics.fmean(values)
        judged = values if self.every_seed else [mean]
        return Row(
            claim=self.text,
            paper=self.paper,
            measured=mean,
            spread=_spread(values),
            holds=all(self.at_least <= value <= self.at_most for value in judged),
        )


@dataclass(frozen=True)
class Row:
    """A claim beside its measurement.

    Attributes:
        claim: what is measured.
        paper: what the paper reports.
        measured: mean over the seeds.
        spread: standard deviation over the seeds.
        holds: whether it lies within the claim's bounds; what is not a number lies within none.
    """

    claim: str
    paper: str
    measured: float
    spread: float
    holds: bool


def _spread(values: Sequence[float]) -> float:
    if not all(map(math.isfinite, values)):
        return math.nan
    return statistics.stdev(values) if len(values) > 1 else 0.0


@dataclass(frozen=True)
class Curve:
    """A quantity followed through training: `x`, and for each seed one list of y."""

    label: str
    x: Sequence[float]
    runs: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Panel:
    """Curves that share their axes."""

    x_label: str
    y_label: str
    curves: Sequence[Curve]


@dataclass(frozen=True)
class Measurement:
    """What an experiment measured: one value per seed for every claim, and curves to look at."""

    values: Mapping[Claim, Sequence[float]]
    panels: Sequence[Panel]


def joined(parts: Iterable[Measurement]) -> Measurement:
    """The measurements of an experiment's parts as one."""
    parts = list(parts)
    values = {claim: value for part in parts for claim, value in part.values.items()}
    return Measurement(values, [panel for part in parts for panel in part.panels])


@dataclass(frozen=True)
class Result:
    """The outcome of an experiment.

    Attributes:
        slug: whose paper it is.
        scale: at which scale it ran.
        seeds: how many seeds each number was measured with.
        rows: the claims beside their measurements.
        seconds: wall time.
        panels: curves of the training runs.
    """

    slug: str
    scale: str
    seeds: int
    rows: Sequence[Row]
    seconds: float
    panels: Sequence[Panel]

    @property
    def reproduced(self) -> bool:
        """Whether every claim holds."""
        return all(row.holds for row in self.rows)


Measure = Callable[[Any, int, Track], Measurement]


@dataclass(frozen=True)
class Experiment:
    """How a paper's effect is reproduced.

    Attributes:
        slug: whose paper it is.
        title: the effect in one line.
        claims: what has to hold.
        scales: sizes by name; what a size consists of is known to `measure` only. An experiment
            that can use data of the user's has a field `data` in them: a path or None, or, for
            several sets, these by name.
        measure: (size, seeds, track) -> Measurement, for the seeds 0 … seeds−1; of an experiment
            in parts one for each, by name, which do not know of each other.
    """

    slug: str
    title: str
    claims: Sequence[Claim]
    scales: Mapping[str, Any]
    measure: Measure | Mapping[str, Measure]

    def run(
        self,
        scale: str = "small",
        seeds: int = 3,
        track: Track = silent,
        data: str | Mapping[str, str] | None = None,
        keep: Keep = unkept,
        part: str | None = None,
    ) -> Result:
        """Measure and compare, on one thread; torch's random state is as before afterwards.

        Args:
            scale: a name in `scales`.
            seeds: how many seeds, from 0.
            track: shows the progress.
            data: a path to data of the user's, for an experiment that can use it; paths by name
                for one that can use several sets.
            keep: measures a part, unless it has kept it.
            part: the only one that is measured, and whose claims are compared; None: all.

        Raises:
            ArgumentError: if the scale or the part is unknown, there is no seed, or no use for the
                data, or they are not named where there are several, or named where there are not.
        """
        if scale not in self.scales:
            raise ArgumentError(
                f"{self.slug} has no scale {scale!r}. {nearest(scale, self.scales)}"
            )
        if seeds < 1:
            raise ArgumentError(f"An experiment needs 1 seed or more; got {seeds}.")
        size = self.scales[scale]
        if data is not None:
            size = self._with_data(size, data)
        parts = self._parts(part)
        begin = time.perf_counter()
        # The nets are small: a second thread costs more than it gives, on a busy machine far more.
        with threads(1), torch.random.fork_rng(devices=[]):
            measured = joined(
                keep(name, partial(measure, size, seeds, track)) for name, measure in parts.items()
            )
        wanted = (c for c in self.claims_at(scale) if part is None or c in measured.values)
        rows = [claim.row(measured.values[claim]) for claim in wanted]
        seconds = time.perf_counter() - begin
        return Result(self.slug, scale, seeds, rows, seconds, measured.panels)

    def _parts(self, name: str | None) -> Mapping[str, Measure]:
        """What measures each part, or the one of this name."""
        parts = self.measure if isinstance(self.measure, Mapping) else {"all": self.measure}
        if name is None:
            return parts
        if name not in parts:
            raise ArgumentError(f"{self.slug} has no part {name!r}. {nearest(name, parts)}")
        return {name: parts[name]}

    def claims_at(self, scale: str) -> list[Claim]:
        """What has to hold at a scale."""
        return [claim for claim in self.claims if claim.scale in (None, scale)]

    def _with_data(self, size: Any, data: str | Mapping[str, str]) -> Any:
        """The size with paths to data of the user's."""
        who = f"The experiment {self.slug!r}"
        if not hasattr(size, "data"):
            raise ArgumentError(f"{who} takes no data; got {data!r}.")
        known = size.data
        if not isinstance(known, Mapping):
            if not isinstance(data, str):
                raise ArgumentError(f"{who} takes one path to data, without a name; got {data!r}.")
            return replace(size, data=data)
        if isinstance(data, str):
            names = ", ".join(f"--data.{name}" for name in known)
            raise ArgumentError(f"{who} takes data by name, {names}; got {data!r} without one.")
        for name in data.keys() - known.keys():
            raise ArgumentError(f"{who} takes no data {name!r}. {nearest(name, known)}")
        return replace(size, data={**known, **data})
