"""Which properties of graphs go with how well their networks do, and how well they predict it.

    r = Pearson's correlation of a property with the score, over the graphs
    R² of a regression from all properties, each fold of the graphs predicted from the others

Source: Darji 2024, arXiv 2407.20601, tables of chapter 6.
Deviation: R² by cross-validation over all graphs instead of one split of 90 and 10 %, which for
few graphs says more about the split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ostinato.analysis.finding import Finding, Table
from ostinato.analysis.graph_metrics import GraphMetrics
from ostinato.core.errors import ArgumentError
from ostinato.core.extras import extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__papers__ = ("sparsity",)


@dataclass(frozen=True)
class GraphCorrelation(Finding):
    """Correlations of properties with a score.

    Attributes:
        correlations: r by property; 0 for one that is the same in all graphs.
        r_squared: by regression model; at most 1, below 0 if the mean predicts better.
    """

    correlations: Mapping[str, float]
    r_squared: Mapping[str, float]

    def table(self) -> Table:
        """Correlations by strength, then R²."""
        ordered = sorted(self.correlations.items(), key=lambda pair: -abs(pair[1]))
        rows = [[name, "r", value] for name, value in ordered]
        rows += [[name, "R²", value] for name, value in self.r_squared.items()]
        return Table(["property", "measure", "value"], rows)

    def draw(self, axes: Axes) -> None:
        """A bar for each property."""
        ordered = sorted(self.correlations.items(), key=lambda pair: pair[1])
        axes.barh([name for name, _ in ordered], [value for _, value in ordered])
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_xlabel("correlation with the score")


def graph_correlation(
    graphs: Sequence[GraphMetrics], scores: Sequence[float], folds: int = 5
) -> GraphCorrelation:
    """Correlate properties with scores.

    Args:
        graphs: their properties.
        scores: one for each graph.
        folds: of the cross-validation.

    Raises:
        ArgumentError: if there is not one score for each of at least `folds` graphs.
        MissingExtraError: without scikit-learn.
    """
    if len(graphs) != len(scores) or len(graphs) < max(folds, 2) or folds < 2:
        raise ArgumentError(
            f"Expected one score for each graph, and as many graphs as folds, at least 2; got "
            f"{len(graphs)} graphs, {len(scores)} scores and {folds} folds."
        )
    names = list(graphs[0].values)
    features = np.array([[graph.values[name] for name in names] for graph in graphs])
    target = np.asarray(scores, dtype=float)
    found = {name: _pearson(column, target) for name, column in zip(names, features.T, strict=True)}
    return GraphCorrelation(found, _r_squared(features, target, folds))


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else 0.0


def _r_squared(features: np.ndarray, target: np.ndarray, folds: int) -> dict[str, float]:
    linear = extra("sklearn.linear_model", "analysis", "Regression on properties")
    ensemble = extra("sklearn.ensemble", "analysis", "Regression on properties")
    scaling = extra("sklearn.preprocessing", "analysis", "Regression on properties")
    selection = extra("sklearn.model_selection", "analysis", "Regression on properties")
    pipeline = extra("sklearn.pipeline", "analysis", "Regression on properties")
    models = {
        "Bayesian ridge": linear.BayesianRidge(),
        "random forest": ensemble.RandomForestRegressor(random_state=0),
        "AdaBoost": ensemble.AdaBoostRegressor(random_state=0),
    }
    split = selection.KFold(folds, shuffle=True, random_state=0)
    total = float(((target - target.mean()) ** 2).sum())
    found = {}
    for name, model in models.items():
        scaled = pipeline.make_pipeline(scaling.MinMaxScaler(), model)
        predicted = selection.cross_val_predict(scaled, features, target, cv=split)
        missed = float(((target - predicted) ** 2).sum())
        found[name] = 1 - missed / total if total else 0.0
    return found
