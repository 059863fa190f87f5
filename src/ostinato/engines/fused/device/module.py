"""Make functions of generated text that Triton can compile.

Triton reads the source of a function again. It finds it where Python keeps the lines of files,
so that no file is needed that others could change.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterable
from hashlib import sha256
from typing import Any


def functions(text: str, names: Iterable[str]) -> dict[str, Any]:
    """The functions of a generated module, by name.

    Args:
        text: of the module.
        names: of its functions.
    """
    file = f"<ostinato {sha256(text.encode()).hexdigest()[:16]}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    namespace: dict[str, Any] = {"__name__": file, "__file__": file}
    exec(compile(text, file, "exec"), namespace)
    return {name: namespace[name] for name in names}
