"""What a recurrence does, measured. The names are known without importing torch."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from ostinato.core.errors import ArgumentError, nearest

if TYPE_CHECKING:
    from ostinato.analysis.finding import Finding
    from ostinato.analysis.subject import Subject

__all__ = ["analysis_names", "analyze"]

_ANALYSES = {
    "lyapunov": ("ostinato.analysis.lyapunov", "lyapunov_exponents"),
    "spectrum": ("ostinato.analysis.jacobian_spectrum", "jacobian_spectrum"),
    "fixed_points": ("ostinato.analysis.fixed_points", "fixed_points"),
    "memory": ("ostinato.analysis.memory_function", "memory_function"),
    "perturbation_error": ("ostinato.analysis.perturbation_error", "perturbation_error"),
    "timescales": ("ostinato.analysis.timescales", "timescales"),
    "dimensionality": ("ostinato.analysis.dimensionality", "dimensionality"),
    "ablation": ("ostinato.analysis.ablation", "ablation"),
    "perturbation": ("ostinato.analysis.perturbation", "perturbation"),
    "weights": ("ostinato.analysis.weight_spectrum", "weight_spectrum"),
    "reach": ("ostinato.analysis.gradient_reach", "gradient_reach"),
    "probe": ("ostinato.analysis.linear_probe", "linear_probe"),
    "rank": ("ostinato.analysis.effective_rank", "effective_rank"),
    "keys": ("ostinato.analysis.key_subspace", "key_subspace"),
}


def analysis_names() -> tuple[str, ...]:
    """The names that `analyze` knows."""
    return tuple(_ANALYSES)


def analyze(name: str, subject: Subject, **options: Any) -> Finding:
    """Do the analysis called `name` on a trained model.

    What the function takes by the name of an attribute of `Subject`, and without a default, is
    given from there: `cell`, `x`, `states`, `targets`, `model`, `task`.

    Args:
        name: one of `analysis_names()`.
        subject: what is analysed.
        **options: further keyword arguments of the function.

    Raises:
        ArgumentError: if there is no such analysis, or it does not take one of the options.
    """
    if name not in _ANALYSES:
        raise ArgumentError(f"There is no analysis {name!r}. {nearest(name, _ANALYSES)}")
    module, function_name = _ANALYSES[name]
    function: Callable[..., Finding] = getattr(import_module(module), function_name)
    parameters = signature(function).parameters.values()
    given = [p.name for p in parameters if p.default is Parameter.empty]
    known = [p.name for p in parameters if p.name not in given]
    for option in options:
        if option not in known:
            raise ArgumentError(
                f"The analysis {name!r} takes no option {option!r}. {nearest(option, known)}"
            )
    return function(**{each: getattr(subject, each) for each in given}, **options)
