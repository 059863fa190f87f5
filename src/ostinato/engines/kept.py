"""Small tables in the cache of kernels: what was measured once, as JSON, one file each.

Nothing half-written is ever there. A process that adds an entry may overwrite what another added
at the same moment; so a table holds only what can be found again.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from ostinato.core.errors import EngineError
from ostinato.engines.fused.toolchain import cache_folder

_MOST = 4096


def table(name: str) -> dict[str, dict[str, Any]]:
    """The entries of a table; none if it is not there, or damaged.

    Args:
        name: of the file.
    """
    with suppress(OSError, ValueError, EngineError):
        content = json.loads((cache_folder() / name).read_text(encoding="utf-8"))
        if isinstance(content, dict) and all(isinstance(v, dict) for v in content.values()):
            return content
    return {}


def keep(name: str, key: str, entry: dict[str, Any]) -> None:
    """Add an entry as the latest; beyond a number of them the earliest are dropped.

    Raises:
        OSError: if there is no room.
        EngineError: if the cache cannot be used.
    """
    content = table(name)
    content.pop(key, None)
    content[key] = entry
    latest = dict(list(content.items())[-_MOST:])
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix=".build-") as folder:
        path = Path(folder) / name
        path.write_text(json.dumps(latest, indent=1), encoding="utf-8")
        os.replace(path, Path(folder).parent / name)
