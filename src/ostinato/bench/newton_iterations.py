"""How many iterations Newton's method takes on tanh networks, by their gain and its options.

python -m ostinato.bench.newton_iterations --units 16 --steps 256 --gains 0.5,0.9,1.2,1.5,2

Networks are those of the experiment on DEER: weights of N(0, g²/n), inputs of 0.3 N(0, 1), one row,
one window, float64.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from ostinato.bench.command import status
from ostinato.engines.parallel.newton import Solve
from ostinato.experiments.deer_networks import Network, solve
from ostinato.train.run import threads

FORMS: Mapping[str, Mapping[str, Any]] = {
    "`full`": {},
    "`quasi`": {"method": "quasi"},
    "`picard`": {"method": "picard"},
    "`jacobi`": {"method": "jacobi"},
    "α = 0.9": {"scale": 0.9},
    "α = 0.5": {"scale": 0.5},
    "ω = 0.5": {"relaxation": 0.5},
    "filter, λ = 0.01": {"damping": 0.01},
    "filter, λ = 0.1": {"damping": 0.1},
    "filter, λ = 1": {"damping": 1.0},
    "filter, fixed λ = 10⁻⁶": {"damping": 1e-6, "shrink": False},
    "filter, fixed λ = 0.01": {"damping": 0.01, "shrink": False},
    "filter, fixed λ = 0.1": {"damping": 0.1, "shrink": False},
    "smoother, λ = 0.01": {"damping": 0.01, "smooth": True},
    "smoother, λ = 0.1": {"damping": 0.1, "smooth": True},
    "smoother, λ = 1": {"damping": 1.0, "smooth": True},
}
"""Options of `ost.newton`, by how they are called in the table."""


def lines(
    units: int, steps: int, gains: Sequence[float], seeds: int, forms: str = "", **limits: Any
) -> Iterator[str]:
    """The table in Markdown, line by line as it is measured.

    Args:
        units: n, of a network.
        steps: T.
        gains: g, a column for each.
        seeds: networks for each gain, from seed 0.
        forms: a line for each of `FORMS` in whose name this stands.
        limits: `tolerance` and `iterations` of `ost.newton`.
    """
    networks = [[_network(gain, units, steps, seed) for seed in range(seeds)] for gain in gains]
    yield _row(f"{units} units, {steps} steps; gain", (f"{gain:g}" for gain in gains))
    yield _row("---", ("---" for _ in gains))
    for name in filter(lambda name: forms in name, FORMS):
        found = (
            [solve(each.cell, each.x, **FORMS[name], **limits) for each in column]
            for column in networks
        )
        yield _row(name, map(cell, found))


def cell(solves: Sequence[Solve]) -> str:
    """The iterations of some networks; of those that are not solved the smallest residual."""
    told = (
        str(each.iterations) if each.solved else f"– ({min(each.residuals):.0e})" for each in solves
    )
    return ", ".join(told)


def _network(gain: float, units: int, steps: int, seed: int) -> Network:
    torch.manual_seed(seed)
    return Network.draw(gain, units, steps)


def _row(head: str, cells: Iterator[str]) -> str:
    return f"| {' | '.join([head, *cells])} |"


def _gains(text: str) -> list[float]:
    return [float(word) for word in text.split(",")]


def main(arguments: list[str] | None = None) -> None:
    """Print the table: iterations by seed, or – and the smallest residual where not solved."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--units", type=int, default=16)
    parser.add_argument("--steps", type=int, default=256)
    parser.add_argument("--gains", type=_gains, default=[0.5, 0.9, 1.2, 1.5, 2.0], help="0.5,0.9,…")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--forms", default="", help="only lines in whose name this stands")
    parser.add_argument("--tolerance", type=float, default=1e-8)
    parser.add_argument("--iterations", type=int, default=200, help="after which one is given up")
    with threads(1):
        for line in lines(**vars(parser.parse_args(arguments))):
            print(line, flush=True)


if __name__ == "__main__":
    sys.exit(status(main))
