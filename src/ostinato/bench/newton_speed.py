"""What Newton's method costs beside a loop in Python and a compiled one, on cells made for it.

python -m ostinato.bench.newton_speed --device cuda

It is the part on speed of the experiment on ParaRNN, on one seed, for as many lengths as asked.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

from ostinato.bench.command import status
from ostinato.bench.machine import this_machine
from ostinato.experiments.experiment import silent
from ostinato.experiments.pararnn_speed import CELLS, ENGINES, MODES, WIDTH, Size, times
from ostinato.train.run import threads

_TITLE = ("cell", "mode", "steps", *(f"{side}, ms" for side in ENGINES), "loop / Newton")
_STEPS = tuple(2**k for k in range(8, 17, 2))


def lines(device: str, lengths: Sequence[int], longest_loop: int) -> Iterator[str]:
    """The table in Markdown, line by line as it is measured.

    Args:
        device: "cpu" or "cuda".
        lengths: T of the sequences.
        longest_loop: so many steps of the loop in Python are timed at most.
    """
    yield f"| {' | '.join(_TITLE)} |"
    yield f"|{'---|' * len(_TITLE)}"
    for cell in CELLS:
        for steps in lengths:
            found = times(cell, Size((steps,), longest_loop, device), 0, silent)
            for mode in MODES:
                took = [1e3 * found[side, mode][0] for side in ENGINES]
                told = (*(f"{each:.2f}" for each in took), f"{took[0] / took[1]:.1f}")
                yield f"| {' | '.join((f'{cell} 1×{WIDTH}', mode, str(steps), *told))} |"


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--quick", action="store_true", help="the shortest sequences only")
    parser.add_argument("--longest-loop", type=int, default=2**10, help="steps of the loop")
    given = parser.parse_args(arguments)
    machine = this_machine(given.device)
    print(f"{machine.device or machine.cpu}, torch {machine.torch}\n")
    lengths = _STEPS[:1] if given.quick else _STEPS
    with threads(1):
        for line in lines(given.device, lengths, given.longest_loop):
            print(line, flush=True)


if __name__ == "__main__":
    sys.exit(status(main))
