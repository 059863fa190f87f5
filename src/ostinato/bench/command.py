"""How the commands of this package end: what went wrong is one line, not a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable

from ostinato.core.errors import ArgumentError, OstinatoError


def status(main: Callable[[], object]) -> int:
    """Run a command.

    Args:
        main: the command, which reads the words of this process.

    Returns:
        The exit status: 0 done; 1 the run failed; 2 the command line is wrong.
    """
    try:
        main()
    except (OstinatoError, OSError) as error:
        print(f"ostinato: {error}", file=sys.stderr)
        return 2 if isinstance(error, ArgumentError) else 1
    return 0
