"""The command `ostinato`: the first word chooses the file that answers.

Exit status: 0 done; 1 the run failed; 2 the command line is wrong; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from ostinato.core.errors import ArgumentError, OstinatoError, nearest

COMMANDS = {
    "train": "Train a cell on a task, or on your own text.",
    "rl": "Let an agent with a memory learn to act.",
    "generate": "Continue a text with a trained model.",
    "evaluate": "Measure a trained model on held-out data.",
    "analyze": "Show what a recurrent layer of a trained model does, on held-out data.",
    "explain": "Show which engine would run a cell, and why not the others.",
    "bench": "Measure generated code against torch.nn and Python loops.",
    "papers": "List the papers, where their parts live and what was reproduced.",
    "reproduce": "Repeat a paper's experiment and compare with its numbers.",
    "info": "Show versions, hardware, compiler and engines.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words behind `ostinato`; None: those of this process.

    Returns:
        The exit status.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        _dispatch(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _say("interrupted", 130)
    except BrokenPipeError:
        # The reader, e.g. `head`, has seen enough; Python must not flush into it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OstinatoError, OSError) as error:
        if debug:
            raise
        return _say(str(error), 2 if isinstance(error, ArgumentError) else 1)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _dispatch(words: Sequence[str]) -> None:
    name = words[0] if words else "--help"
    if name in ("-h", "--help", "help"):
        print(_overview())
    elif name == "--version":
        from ostinato import __version__

        print(f"ostinato {__version__}")
    elif name in COMMANDS:
        from ostinato.cli.options import parse

        command = getattr(import_module(f"ostinato.cli.{name}"), name)
        command(**parse(name, command, words[1:]))
    else:
        raise ArgumentError(f"There is no command {name!r}. {nearest(name, COMMANDS)}")


def _overview() -> str:
    width = max(map(len, COMMANDS))
    rows = [f"  {name:{width}}  {summary}" for name, summary in COMMANDS.items()]
    return "\n".join(
        [
            "usage: ostinato COMMAND [OPTIONS]",
            "",
            "Recurrent computation in PyTorch.",
            "",
            "commands:",
            *rows,
            "",
            "options:",
            "  --version  Show the version.",
            "  --debug    Show the traceback of an error.",
            "",
            "ostinato COMMAND --help shows the options of a command.",
        ]
    )


def _say(message: str, status: int) -> int:
    print(f"ostinato: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
