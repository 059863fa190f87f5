"""The paper's table: an LSTM of 768 units in heads of 16 to 768, generated loop against plain loop.

As there, the products of the input are not timed: x holds pre-activations. The sides run in turn,
five times after one that compiles, and a ratio is the median of the five. Against torch's LSTM,
dense and from input to output, the cell runs with its input map. On a GPU if there is one; a size
that the generated loop does not take there, or that finds no memory, counts as not a number, and no
claim about it holds. Deviation: numbers are float32, which runs everywhere, where the paper's are
bfloat16; `benchmarks/on_gpu.sh narrow` measures those on a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn

from ostinato.cells import make_cell
from ostinato.core.errors import EngineError
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel, Track
from ostinato.experiments.stopwatch import seconds
from ostinato.over.time import RNN

GATES = {"Elman": 1, "LSTM": 4, "GRU": 3, "SLSTM": 4}
MODES = ("forward", "forward+backward")
SIDES = {"plain loop": "reference", "generated loop": "fused"}
HEAD = 64
_REPEATS = 5

BEST = Claim(
    "speed, LSTM in heads, forward+backward: plain loop / generated, at the best head size",
    "60; forward 52 (H100, bf16)",
    at_least=2,
)
WORST = Claim(
    "speed, the same at the worst head size",
    "36; forward 30",
    at_least=1,
)
EVERY = Claim(
    "speed, all four cells in heads of 64, forward+backward: plain loop / generated, the least",
    "LSTM 58",
    at_least=1,
)
TORCH = Claim(
    "speed, dense LSTM with its input map, forward+backward: nn.LSTM / generated",
    "0.38 (cuDNN in fp16 is faster)",
    at_least=0.8,
)
ERROR = Claim(
    "speed, all four cells: largest error of an output in float32, to the loop in float64",
    "not given",
    at_most=1e-5,
)
CLAIMS = (BEST, WORST, EVERY, TORCH, ERROR)

Seconds = dict[tuple[str, str], list[float]]
"""By side and mode, one for every repeat."""


@dataclass(frozen=True)
class Size:
    """What is timed.

    Attributes:
        head_sizes: units of a head, divisors of `hidden`.
        steps: T.
        batch: B.
        hidden: H.
    """

    head_sizes: tuple[int, ...]
    steps: int
    batch: int = 16
    hidden: int = 768


def measure(size: Size, seeds: int, track: Track) -> Measurement:
    """Time every head size and cell once for each of the seeds 0 … seeds−1."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tables = list[list[Seconds]]()
    values: dict[Claim, list[float]] = {claim: [] for claim in CLAIMS}
    for seed in range(seeds):
        torch.manual_seed(seed)
        heads = track(size.head_sizes, f"speed, head sizes, seed {seed}")
        table = [_time(_layers("LSTM", size, head, device), size, device) for head in heads]
        cells = [
            _layers(cell, size, HEAD, device)
            for cell in track(tuple(GATES), f"speed, cells, seed {seed}")
        ]
        ratios = [_ratio(times, *SIDES) for times in table]
        values[BEST].append(max((r for r in ratios if r == r), default=math.nan))
        values[WORST].append(min(ratios) if all(r == r for r in ratios) else math.nan)
        values[EVERY].append(min(_ratio(_time(c, size, device), *SIDES) for c in cells))
        values[TORCH].append(_ratio(_time(_dense(size, device), size, device), *_DENSE))
        values[ERROR].append(max(_error(layers, size) for layers in cells))
        tables.append(table)
    return Measurement(values, [_panel(mode, size, tables) for mode in MODES])


_DENSE = ("nn.LSTM", "generated loop")


def _layers(cell: str, size: Size, head: int, device: str) -> dict[str, nn.Module]:
    """The cell without its input map on both sides."""
    gates, heads = GATES[cell], size.hidden // head
    made = make_cell(cell, gates * size.hidden, size.hidden, heads=heads)
    made.input = nn.Identity()
    for parameter in made.parameters():
        nn.init.uniform_(parameter, -(head**-0.5), head**-0.5)
    made.to(device)
    return {side: RNN(made, engine) for side, engine in SIDES.items()}


def _dense(size: Size, device: str) -> dict[str, nn.Module]:
    """torch's layer, and the cell with an input map."""
    own = RNN(make_cell("LSTM", size.hidden, size.hidden), "fused")
    theirs = nn.LSTM(size.hidden, size.hidden, batch_first=True)
    return {"nn.LSTM": theirs.to(device), "generated loop": own.to(device)}


def _time(layers: Mapping[str, nn.Module], size: Size, device: str) -> Seconds:
    """All sides in turn; not a number for a side that does not take the cell."""
    x = _input(layers, size, device)
    found = Seconds()
    for mode in MODES:
        for repeat in range(1 + _REPEATS):
            for side, layer in layers.items():
                taken = _pass(layer, x, mode)
                if repeat:
                    found.setdefault((side, mode), []).append(taken)
    return found


def _input(layers: Mapping[str, nn.Module], size: Size, device: str) -> Tensor:
    """Random numbers (B, T, D)."""
    layer = layers["generated loop"]
    assert isinstance(layer, RNN)
    width = int(layer.cell.input_size)  # type: ignore[arg-type]
    return torch.randn(size.batch, size.steps, width, device=device, requires_grad=True)


def _pass(layer: nn.Module, x: Tensor, mode: str) -> float:
    """Seconds."""

    def forward() -> object:
        with torch.no_grad():
            return layer(x)

    def both() -> object:
        return torch.autograd.grad(layer(x)[0].sum(), [x, *layer.parameters()])

    try:
        return seconds(forward if mode == MODES[0] else both, x.device)
    except (EngineError, torch.OutOfMemoryError):
        return math.nan


def _ratio(times: Seconds, slow: str, fast: str) -> float:
    """Of training, the median of the repeats."""
    pairs = zip(times[slow, MODES[1]], times[fast, MODES[1]], strict=True)
    return median(a / b for a, b in pairs)


@torch.no_grad()
def _error(layers: Mapping[str, nn.Module], size: Size) -> float:
    """Of the generated loop, on the sequences that are timed."""
    device = str(next(layers["generated loop"].parameters()).device)
    x = _input(layers, size, device)
    found = layers["generated loop"](x)[0].double()
    exact = layers["plain loop"].double()(x.double())[0]
    return float((found - exact).abs().max())


def _panel(mode: str, size: Size, tables: Sequence[Sequence[Seconds]]) -> Panel:
    place = [math.log2(head) for head in size.head_sizes]
    curves = [
        Curve(
            side,
            place,
            [[math.log10(1e3 * median(times[side, mode])) for times in table] for table in tables],
        )
        for side in SIDES
    ]
    return Panel("log₂ head size", f"log₁₀ milliseconds, LSTM, {mode}", curves)
