"""What kernels of the chunk engine need of a device, compiled without one.

python -m ostinato.bench.chunk_code 64 128 --precision tf32
"""

from __future__ import annotations

import argparse
import sys

from ostinato.bench.command import status
from ostinato.engines.chunk.ahead import Resources, resources

_TITLE = ("decay", "K = V", "kernel", *Resources._fields[1:])


def line(decay: str, size: int, found: Resources) -> tuple[str, ...]:
    """A row of the table."""
    return (decay, str(size), *map(str, found))


def main(arguments: list[str] | None = None) -> None:
    """Print a table: registers and spilled bytes of a thread, shared bytes of a program."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("sizes", nargs="+", type=int, help="K = V")
    parser.add_argument("--precision", choices=("ieee", "tf32x3", "tf32"), default="ieee")
    given = parser.parse_args(arguments)
    print(*(f"{title:>12}" for title in _TITLE))
    for size in given.sizes:
        for decay in ("head", "key"):
            for found in resources(size, size, given.precision, decay == "key"):
                print(*(f"{word:>12}" for word in line(decay, size, found)), flush=True)


if __name__ == "__main__":
    sys.exit(status(main))
