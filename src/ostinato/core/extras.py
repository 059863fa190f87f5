"""Optional dependencies: imported where they are used, with an error that says what to install."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from ostinato.core.errors import MissingExtraError


def extra(module: str, name: str, purpose: str, instead: str = "") -> ModuleType:
    """Import `module`, which the extra `name` brings.

    Args:
        module: dotted module name.
        name: the extra of ostinato that installs it.
        purpose: what needs it, as the subject of the message.
        instead: what works without it, as a sentence.

    Raises:
        MissingExtraError: if the module is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        hint = f" {instead}" if instead else ""
        message = f"{purpose} needs {module!r}: pip install 'ostinato[{name}]'.{hint}"
        raise MissingExtraError(message) from error
