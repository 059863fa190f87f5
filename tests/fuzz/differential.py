"""Compare an engine with the reference on random steps.

    python tests/fuzz/differential.py 10000

runs that many and reports every mismatch with its seed, and why steps were declined.
"""

from __future__ import annotations

import sys
from collections import Counter

import torch

import ostinato as ost
from ostinato.core.errors import EngineError
from ostinato.core.state import leaves, map_state

TOLERANCE = 1e-9


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
    worst = 0.0
    for a, b in zip(found, expected, strict=True):
        scale = 1 + float(b.detach().abs().max()) if b.numel() else 1
        error = float((a - b).detach().abs().max()) / scale if a.numel() else 0.0
        worst = error if error != error else max(worst, error)
    return worst, None


def main(count):
    """Run seeds 0 … count−1."""
    torch.set_num_threads(1)
    mismatches, declined, done = [], Counter(), 0
    for seed in range(count):
        worst, reason = compare(seed)
        if reason is not None:
            declined[reason[:80]] += 1
        elif not worst <= TOLERANCE:
            mismatches.append((seed, worst))
            print(f"seed {seed}: differs by {worst:.2e}", flush=True)
        done += reason is None
        if seed % 100 == 99:
            print(f"{seed + 1} steps, {len(mismatches)} mismatches", flush=True)
    print(f"{done} compared, {len(mismatches)} mismatches, {sum(declined.values())} declined")
    for reason, times in declined.most_common():
        print(f"  {times} x {reason}")
    return bool(mismatches)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
