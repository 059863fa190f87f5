"""Published language models by name."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from typing import Any

from ostinato.core.errors import ArgumentError, nearest
from ostinato.models.time.language_model import LanguageModel

_MODELS = {
    "FlashRNN": "ostinato.models.time.flashrnn",
    "ParaRNN": "ostinato.models.time.pararnn",
}


def make_language_model(name: str, engine: str = "auto", **options: Any) -> LanguageModel:
    """Build the language model called `name`.

    Args:
        name: "FlashRNN" or "ParaRNN".
        engine: of its recurrences.
        **options: fields of its configuration.

    Raises:
        ArgumentError: if there is no such model, or it has no such field.
    """
    if name not in _MODELS:
        raise ArgumentError(f"No model is called {name!r}. {nearest(name, _MODELS)}")
    module = import_module(_MODELS[name])
    config = getattr(module, f"{name}Config")
    known = [field.name for field in fields(config)]
    for option in options:
        if option not in known:
            raise ArgumentError(
                f"The model {name!r} takes no option {option!r}. {nearest(option, known)}"
            )
    model: LanguageModel = getattr(module, name)(config(**options), engine)
    return model
