"""Published language models by name."""

from __future__ import annotations

from dataclasses import fields, replace
from importlib import import_module
from inspect import signature
from types import ModuleType
from typing import Any

from ostinato.core.errors import ArgumentError, nearest
from ostinato.models.time.language_model import LanguageModel

_MODELS = {
    "DeltaProduct": "ostinato.models.time.delta_product",
    "FlashRNN": "ostinato.models.time.flashrnn",
    "PLSTM": "ostinato.models.time.plstm_language",
    "ParaRNN": "ostinato.models.time.pararnn",
}


def has_cells(name: str) -> bool:
    """Whether the model called `name` has a choice of cells.

    Raises:
        ArgumentError: if there is no such model.
    """
    return "cell" in _fields(_module(name), name)


def make_language_model(name: str, engine: str = "auto", **options: Any) -> LanguageModel:
    """Build the language model called `name`.

    Args:
        name: "DeltaProduct", "FlashRNN", "PLSTM" or "ParaRNN".
        engine: of its recurrences.
        **options: fields of its configuration; with `size`, e.g. "165M", what the paper's model
            of that size has instead.

    Raises:
        ArgumentError: if there is no such model, or it has no such field or size.
    """
    module = _module(name)
    known = [*_fields(module, name), "size"]
    for option in options:
        if option not in known:
            raise ArgumentError(
                f"The model {name!r} takes no option {option!r}. {nearest(option, known)}"
            )
    model: LanguageModel = getattr(module, name)(_config(module, name, options), engine)
    return model


def _config(module: ModuleType, name: str, options: dict[str, Any]) -> Any:
    config = getattr(module, f"{name}Config")
    if "size" not in options:
        return config(**options)
    # What tells the paper's models of one size apart also changes their other fields.
    asked = {key: options[key] for key in signature(config.published).parameters if key in options}
    rest = {key: value for key, value in options.items() if key not in asked}
    return replace(config.published(**asked), **rest)


def _module(name: str) -> ModuleType:
    if name not in _MODELS:
        raise ArgumentError(f"No model is called {name!r}. {nearest(name, _MODELS)}")
    return import_module(_MODELS[name])


def _fields(module: ModuleType, name: str) -> list[str]:
    return [field.name for field in fields(getattr(module, f"{name}Config"))]
