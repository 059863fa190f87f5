"""Environments to learn to act in, by name. The names are known without importing torch."""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any

from ostinato.core.errors import ArgumentError, nearest

if TYPE_CHECKING:
    from ostinato.tasks.rl.vector_environment import VectorEnvironment

__all__ = ["environment_names", "make_environment"]

_ENVIRONMENTS = {
    "masked_cart_pole": ("ostinato.tasks.rl.masked_cart_pole", "MaskedCartPole"),
    "t_maze": ("ostinato.tasks.rl.t_maze", "TMaze"),
    "repeat_previous": ("ostinato.tasks.rl.repeat_previous", "RepeatPrevious"),
}


def environment_names() -> tuple[str, ...]:
    """The names of the environments that need no further library."""
    return tuple(_ENVIRONMENTS)


def make_environment(name: str, number: int, **options: Any) -> VectorEnvironment:
    """`number` environments side by side.

    Args:
        name: one of `environment_names()`, or a library and what it knows, such as
            "gymnasium:CartPole-v1" or "popgym:RepeatPreviousEasy".
        number: E.
        **options: keyword arguments of the environment's constructor.

    Raises:
        ArgumentError: if there is no such environment, or it does not take one of the options.
    """
    library, colon, theirs = name.partition(":")
    if colon:
        return _of_library(library, theirs, number, options)
    if name not in _ENVIRONMENTS:
        raise ArgumentError(
            f"There is no environment {name!r}. {nearest(name, _ENVIRONMENTS)} "
            "Those of other libraries are named like 'gymnasium:CartPole-v1'."
        )
    module, class_name = _ENVIRONMENTS[name]
    kind = getattr(import_module(module), class_name)
    known = [option for option in signature(kind).parameters if option != "number"]
    for option in options:
        if option not in known:
            raise ArgumentError(
                f"The environment {name!r} takes no option {option!r}. {nearest(option, known)}"
            )
    environment: VectorEnvironment = kind(number, **options)
    return environment


def _of_library(library: str, name: str, number: int, options: dict[str, Any]) -> VectorEnvironment:
    from ostinato.tasks.rl.libraries import LIBRARIES

    if library not in LIBRARIES:
        raise ArgumentError(
            f"There are no environments of a library {library!r}. {nearest(library, LIBRARIES)}"
        )
    return LIBRARIES[library].build(name, number, **options)
