"""Real time series that the extra `data` brings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ostinato.core.errors import ArgumentError, nearest
from ostinato.core.extras import extra
from ostinato.tasks.table import Table

_INSTEAD = "A CSV or .npy file of your own (path=) and the generated task 'adding' need no extra."


def load_series(name: str) -> Table:
    """A series by name.

    Args:
        name: "seattle", 8,759 hourly temperatures of Seattle in 2010 in °F (vega-datasets);
            "co2", 2,284 weeks of CO₂ at Mauna Loa from 1958 in ppm (statsmodels), 59 missing weeks
            interpolated linearly; "sunspots", 309 yearly numbers from 1700 (statsmodels).

    Raises:
        ArgumentError: if there is no such series.
        MissingExtraError: if the package that holds it is not installed.
    """
    if name not in _SERIES:
        raise ArgumentError(f"There is no series {name!r}. {nearest(name, _SERIES)}")
    return _SERIES[name]()


def _seattle() -> Table:
    sets = extra("vega_datasets", "data", "The series 'seattle'", _INSTEAD).local_data
    return _column("temp", sets.seattle_temps()["temp"].to_numpy())


def _co2() -> Table:
    sets = extra("statsmodels.datasets", "data", "The series 'co2'", _INSTEAD)
    weeks = sets.co2.load_pandas().data["co2"].to_numpy()
    known = np.flatnonzero(np.isfinite(weeks))
    return _column("co2", np.interp(np.arange(len(weeks)), known, weeks[known]))


def _sunspots() -> Table:
    sets = extra("statsmodels.datasets", "data", "The series 'sunspots'", _INSTEAD)
    return _column("sunspots", sets.sunspots.load_pandas().data["SUNACTIVITY"].to_numpy())


def _column(name: str, values: npt.NDArray[np.float64]) -> Table:
    return Table((name,), values.astype(np.float64).reshape(-1, 1))


_SERIES = {"seattle": _seattle, "co2": _co2, "sunspots": _sunspots}
