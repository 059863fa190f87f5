"""Compare an engine with the reference on random steps.

    python tests/fuzz/differential.py 10000 --jobs 2 --minutes 60

runs that many and reports every mismatch and every crash with its seed, and why steps were
declined; `--from SEED` goes on where it stopped. Numbers are compared, not speed, so kernels are
optimised little, unless $OSTINATO_CXXFLAGS says otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import torch
from torch.utils._python_dispatch import TorchDispatchMode

import ostinato as ost
from ostinato.core.errors import EngineError
from ostinato.core.state import leaves, map_state

sys.path.append(str(Path(__file__).parent.parent))
TOLERANCE = 1e-9
BLOCK = 100


def outcome(cell, engine, x, call):
    """Outputs, last state and all gradients, in float64."""
    x = map_state(lambda leaf: leaf.clone().requires_grad_(), x)
    # Not a constant state: layer norm divides by its deviation, and would blow rounding up.
    generator = torch.Generator().manual_seed(0)
    state = map_state(
        lambda leaf: torch.rand(leaf.shape, generator=generator).to(leaf).requires_grad_(),
        cell.initial_state(len(x[0])),
    )
    y, new = ost.RNN(cell, engine, reverse=call["reverse"])(x, state, **call["options"])
    results = leaves((y, new))
    loss = torch.stack([(t * t + t).sum() for t in results]).sum()
    wanted = [*x, *leaves(state), *cell.parameters()]
    gradients = torch.autograd.grad(loss, wanted, allow_unused=True)
    filled = zip(gradients, wanted, strict=True)
    return [*results, *(torch.zeros_like(w) if g is None else g for g, w in filled)]


def draw_call(seed, rows, steps):
    """Direction, lengths, resets, recomputation."""
    generator = torch.Generator().manual_seed(seed)
    kind = seed % 5
    options = {}
    if kind == 1:
        options["lengths"] = torch.randint(0, steps + 1, (rows,), generator=generator)
    if kind == 2:
        options["resets"] = torch.rand(rows, steps, generator=generator) < 0.3
    if kind == 3:
        options["checkpoint"] = 2
    return {"reverse": seed % 2 == 1, "options": options}


def scan_on_kernels():
    """Have Triton's interpreter run the kernels of scans and of Newton's method, on the CPU."""
    from ostinato.engines.parallel import sequential
    from ostinato.engines.parallel.device import scan

    sequential.compiled = lambda b: False
    scan.DEVICES = ["cpu"]


def compare(seed, engine="fused"):
    """The largest relative difference for one seed, or the reason of a decline."""
    from steps import RandomCell

    cell = RandomCell(seed).double()
    rows, steps = 1 + seed % 7, 1 + seed % 6
    x = map_state(torch.Tensor.double, cell.example(rows, steps))
    call = draw_call(seed, rows, steps)
    try:
        found = outcome(cell, engine, x, call)
    except EngineError as error:
        return None, str(error).split(": ", 1)[1].split(". Engines")[0]
    expected = outcome(cell, "reference", x, call)
    worst = distance(found, expected)
    if not worst <= TOLERANCE and jumps(cell, x, call, expected):
        return None, "the step jumps where it was compared, and the reference differs from itself"
    return worst, None


def distance(found, expected):
    """The largest relative difference; NaN if there is one."""
    worst = 0.0
    for a, b in zip(found, expected, strict=True):
        scale = 1 + float(b.detach().abs().max()) if b.numel() else 1
        error = float((a - b).detach().abs().max()) / scale if a.numel() else 0.0
        worst = error if error != error else max(worst, error)
    return worst


ROUNDED = {
    "add", "sub", "mul", "div", "mm", "addmm", "bmm", "baddbmm", "sum", "exp", "expm1", "log",
    "log1p", "tanh", "sigmoid", "sin", "cos", "erf", "sqrt", "rsqrt", "pow", "lerp",
}  # fmt: skip


class Rounding(TorchDispatchMode):
    """Every operation rounds otherwise, by a random bit."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        # What is chosen among the arguments, as by amax, is not rounded.
        if func._schema.name.removeprefix("aten::") in ROUNDED and result.is_floating_point():
            # The mode is off in here.
            return result * (1 + torch.finfo(result.dtype).eps * (2 * torch.rand_like(result) - 1))
        return result


def jumps(cell, x, call, expected):
    """Whether rounding alone makes the reference another function, as at a tie of `where`."""
    torch.manual_seed(0)
    for _ in range(50):
        with Rounding():
            if distance(outcome(cell, "reference", x, call), expected) > TOLERANCE:
                return True
    return False


def report(first, last, engine):
    """One line of JSON for each seed, as soon as it is known."""
    torch.set_num_threads(1)
    if engine == "triton":
        import interpreted_engine

        interpreted_engine.install()
    if engine == "kernels":
        scan_on_kernels()
        engine = "parallel"
    for seed in range(first, last):
        print(json.dumps([seed, *compare(seed, engine)]), flush=True)


def in_processes(seeds, engine):
    """The lines of a block of seeds, over a cache of its own; after a crash the next seed follows.

    A process for each block, since loaded objects stay in memory as long as it lives.
    """
    lines = []
    with tempfile.TemporaryDirectory(prefix="ostinato-fuzz-") as cache:
        flags = os.environ.get("OSTINATO_CXXFLAGS", "-O1")
        environment = os.environ | {"OSTINATO_CACHE": cache, "OSTINATO_CXXFLAGS": flags}
        environment |= {"TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        while len(lines) < len(seeds):
            rest = [str(seeds.start + len(lines)), str(seeds.stop)]
            command = [sys.executable, __file__, "--engine", engine, "--block", *rest]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            lines += [json.loads(line) for line in done.stdout.splitlines()]
            if done.returncode:
                said = (done.stderr.strip().splitlines() or ["no message"])[-1]
                told = f"the process ended with status {done.returncode}: {said}"
                lines.append([seeds.start + len(lines), told, None])
    return lines


class Tally:
    """What was found so far."""

    def __init__(self):
        self.compared, self.wrong, self.declined = 0, 0, Counter()

    def add(self, seed, worst, reason):
        """Count one seed; print it if it is wrong. `worst` in words: it crashed."""
        if reason is not None:
            self.declined[reason[:80]] += 1
            return
        self.compared += 1
        if isinstance(worst, str) or not worst <= TOLERANCE:
            self.wrong += 1
            what = worst if isinstance(worst, str) else f"differs by {worst:.2e}"
            print(f"seed {seed}: {what}", flush=True)

    def __str__(self):
        declined = sum(self.declined.values())
        return f"{self.compared} compared, {self.wrong} wrong, {declined} declined"


def main(first, count, jobs, minutes, engine):
    """Run seeds first … first+count−1; whether any was wrong."""
    begin, tally, last = time.monotonic(), Tally(), first + count
    blocks = iter([range(n, min(n + BLOCK, last)) for n in range(first, last, BLOCK)])
    with ThreadPoolExecutor(jobs) as pool:
        while (wave := list(islice(blocks, jobs))) and time.monotonic() < begin + 60 * minutes:
            for lines in pool.map(in_processes, wave, [engine] * len(wave)):
                for line in lines:
                    tally.add(*line)
            done = wave[-1].stop - first
            each = (time.monotonic() - begin) / done
            print(f"seeds {first} … {first + done - 1}: {tally}, {each:.2f} s each", flush=True)
    if wave:
        print(f"stopped after {minutes:g} minutes; go on with --from {wave[0].start}")
    for reason, times in tally.declined.most_common():
        print(f"  {times} x {reason}")
    return bool(tally.wrong)


def arguments():
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("count", nargs="?", type=int, default=1000, help="how many seeds")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after these")
    parser.add_argument(
        "--engine",
        default="fused",
        choices=["fused", "triton", "parallel", "kernels"],
        help="what is compared; triton, and kernels of parallel: for devices, interpreted",
    )
    parser.add_argument("--block", type=int, nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    given = arguments()
    if given.block:
        sys.exit(report(*given.block, given.engine))
    sys.exit(main(given.first, given.count, given.jobs, given.minutes, given.engine))
