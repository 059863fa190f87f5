"""The cases there are: a cell, the sizes it is run at, and the peers it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import filter as matching

import torch
from torch import Tensor, nn

from ostinato.bench.online import Backwards, Jacobians, Online, Sensitive
from ostinato.bench.peers import (
    Peer,
    PythonLoop,
    compiled_loop,
    compiled_step,
    on_engine,
    torch_module,
)
from ostinato.bench.steps import ElmanStep, GRUStep, HeadsStep, LeakyStep, LSTMStep
from ostinato.cells.elman import ElmanCell
from ostinato.cells.elstm import ELSTMCell
from ostinato.cells.gated_delta_net import GatedDeltaNetCell
from ostinato.cells.gated_linear_attention import GatedLinearAttentionCell
from ostinato.cells.gru import GRUCell
from ostinato.cells.hgrn import HGRNCell
from ostinato.cells.layer_norm_lstm import LayerNormLSTMCell
from ostinato.cells.lru import LRUCell
from ostinato.cells.lstm import LSTMCell
from ostinato.cells.mamba2 import Mamba2Cell
from ostinato.cells.min_gru import MinGRUCell
from ostinato.cells.min_lstm import MinLSTMCell
from ostinato.cells.mlstm import MLSTMCell
from ostinato.cells.para_gru import ParaGRUCell
from ostinato.cells.para_lstm import ParaLSTMCell
from ostinato.cells.rg_lru import RGLRUCell
from ostinato.cells.rwkv7 import RWKV7Cell
from ostinato.cells.s5 import S5Cell
from ostinato.cells.selective_ssm import SelectiveSSMCell
from ostinato.core.cell import Cell
from ostinato.core.errors import ArgumentError, nearest
from ostinato.over.time import RNN


@dataclass(frozen=True)
class Size:
    """Batch, steps and hidden size; the input is as wide as the state."""

    batch: int
    steps: int
    hidden: int

    def __str__(self) -> str:
        return f"B={self.batch} T={self.steps} H={self.hidden}"


@dataclass(frozen=True)
class Case:
    """One cell against its peers.

    Attributes:
        name: what the command calls it.
        cell: builds the cell from D and H.
        peers: by their name in the table.
        sizes: at which it is measured.
        slow: whether it is measured on demand only, since a peer takes minutes to compile.
        engine: on which our side runs.
        learner: builds our side in the place of a layer on an engine.
    """

    name: str
    cell: Callable[[int, int], Cell]
    peers: Mapping[str, Peer]
    sizes: Sequence[Size]
    slow: bool = False
    engine: str = "fused"
    learner: Callable[[Cell], Online] | None = None


@dataclass(frozen=True)
class Contest:
    """A layer and a peer that compute the same function of the same input.

    Attributes:
        ours: the layer on the engine of the case, or its learner.
        peer: the module that it is compared with.
        x: (B, T, D).
        cotangent: like the outputs (B, T, ...), what their gradient is taken against.
    """

    ours: RNN | Online
    peer: nn.Module
    x: Tensor
    cotangent: Tensor


def contest(case: Case, peer: str, size: Size, device: str = "cpu") -> Contest:
    """Build both sides with the same weights; the same numbers for every call and device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        cell = case.cell(size.hidden, size.hidden)
        shape = (size.batch, size.steps, size.hidden)
        x = torch.randn(shape)
        # An output may be wider than the state.
        y, _ = cell(x[:, 0], cell.initial_state(size.batch))
        cotangent = torch.randn(*shape[:2], y.shape[-1])
        cell, x = cell.to(device), x.to(device).requires_grad_()
        rival = case.peers[peer](cell).to(device)
        ours = case.learner(cell) if case.learner else RNN(cell, case.engine)
        return Contest(ours, rival, x, cotangent.to(device))


def layer_norm_lstm(input_size: int, hidden_size: int) -> Cell:
    """The layer-normalised LSTM with small gains.

    With gains of one a fresh net is chaotic: after some hundred steps float32 and float64 have
    nothing in common, and no two ways of computing it could be compared.
    """
    cell = LayerNormLSTMCell(input_size, hidden_size)
    with torch.no_grad():
        for name, parameter in cell.named_parameters():
            if name.startswith("norm_") and name.endswith("weight"):
                parameter.mul_(0.1)
    return cell


def peephole_lstm(input_size: int, hidden_size: int) -> Cell:
    """The LSTM whose gates see c."""
    return LSTMCell(input_size, hidden_size, peepholes=True)


def gated_delta_net(input_size: int, hidden_size: int) -> Cell:
    """Gated DeltaNet with matrices of 64 × 64."""
    return GatedDeltaNetCell(input_size, hidden_size, heads=hidden_size // 64)


def elstm(input_size: int, hidden_size: int) -> Cell:
    """The eLSTM, all of it in the recurrence."""
    return ELSTMCell(input_size, hidden_size, output_gate=False)


def gated_linear_attention(input_size: int, hidden_size: int) -> Cell:
    """GLA with matrices of 64 × 64."""
    heads = hidden_size // 64
    return GatedLinearAttentionCell(input_size, hidden_size, heads=heads, key_size=64)


def rwkv7(input_size: int, hidden_size: int) -> Cell:
    """RWKV-7 with matrices of 64 × 64."""
    return RWKV7Cell(input_size, hidden_size, heads=hidden_size // 64)


def mlstm(input_size: int, hidden_size: int) -> Cell:
    """The mLSTM with matrices of 64 × 64 and small queries.

    With larger ones nᵀq comes near zero at some of thousands of steps, and of h, a quotient by it,
    float32 leaves too few digits for any two ways of computing it to agree.
    """
    cell = MLSTMCell(input_size, hidden_size, heads=hidden_size // 64)
    with torch.no_grad():
        cell.input.weight[:hidden_size].mul_(0.1)
    return cell


def mamba2(input_size: int, hidden_size: int) -> Cell:
    """Mamba-2 with matrices of 64 × 64."""
    return Mamba2Cell(input_size, hidden_size, heads=hidden_size // 64)


_TORCH_SIZES = tuple(
    Size(*numbers)
    for numbers in [(1, 1024, 64), (32, 512, 64), (8, 2048, 128), (32, 512, 256), (1, 1024, 256)]
)
_LOOP_SIZES = _TORCH_SIZES[:2]
_FEW_STEPS = (Size(1, 16, 64), Size(32, 16, 64))
_LOOPS: dict[str, Peer] = {"reference": on_engine("reference"), "Python loop": PythonLoop}
_COMPILED: dict[str, Peer] = {"compiled step": compiled_step, "compiled loop": compiled_loop}
_STEPS = {
    "layer-norm-lstm": layer_norm_lstm,
    "peephole-lstm": peephole_lstm,
    "leaky": LeakyStep,
    "heads": HeadsStep,
}
# The cells of which torch has a module; the others have one engine less.
_NATIVE = {"lstm": LSTMCell, "gru": GRUCell, "elman": ElmanCell}
# Nonlinear cells to be solved for all steps together, and H: elementwise, in blocks, dense.
_SOLVED: dict[str, tuple[Callable[[int, int], Cell], int]] = {
    "para-gru": (ParaGRUCell, 64),
    "para-lstm": (ParaLSTMCell, 64),
    "gru": (GRUCell, 4),
}
# Cells that are affine in the state: the loop, one scan, or a loop in generated code.
_LINEAR: dict[str, Callable[[int, int], Cell]] = {
    "min-gru": MinGRUCell,
    "min-lstm": MinLSTMCell,
    "rg-lru": RGLRUCell,
    "hgrn": HGRNCell,
    "lru": LRUCell,
    "s5": S5Cell,
    "selective-ssm": SelectiveSSMCell,
    "gated-linear-attention": GatedLinearAttentionCell,
}
_LINEAR_SIZES = (Size(1, 4096, 64), Size(8, 4096, 64))
# Learned online.
_ONLINE: dict[str, Callable[[int, int], Cell]] = {
    "elstm": elstm,
    "para-gru": ParaGRUCell,
    "min-gru": MinGRUCell,
}
# Dense sensitivities of 512 units would take gigabytes.
_ONLINE_SIZES = (Size(1, 1, 64), Size(16, 1, 64), Size(1, 1, 128), Size(1, 32, 64))
_WIDE = tuple(Size(batch, steps, 512) for batch in (1, 16) for steps in (1, 32, 128))
# Matrix states in chunks.
_MATRICES = {
    "gated-delta-net": gated_delta_net,
    "mamba2": mamba2,
    "gla": gated_linear_attention,
    "rwkv7": rwkv7,
    "mlstm": mlstm,
}
_MATRIX_SIZES = (Size(1, 1024, 128), Size(1, 4096, 256), Size(8, 512, 256))


def _auto(name: str, cell: Callable[[int, int], Cell], sizes: Sequence[Size], rival: str) -> Case:
    """What `auto` chooses against each engine that it could have chosen."""
    peers = {f"engine {engine}": on_engine(engine) for engine in ("fused", rival)}
    return Case(f"auto-{name}", cell, peers, sizes, engine="auto")


def _solved(name: str, cell: Callable[[int, int], Cell], width: int) -> Iterator[Case]:
    """Newton's method against the loops; of these the slow one takes seconds for 2¹⁴ steps."""
    sizes = tuple(Size(1, 2**k, width) for k in (8, 11, 14, 17))
    for suffix, engine, chosen in (("", "fused", sizes), ("-loop", "reference", sizes[:3])):
        peers = {f"engine {engine}": on_engine(engine)}
        yield Case(f"parallel-{name}{suffix}", cell, peers, chosen, engine="parallel")


def _online(name: str, cell: Callable[[int, int], Cell]) -> Iterator[Case]:
    """Sensitivities against dense Jacobians, and against going back through the past."""
    both: dict[str, Peer] = {"torch.func": Jacobians, "BPTT": Backwards}
    alone: dict[str, Peer] = {"BPTT": Backwards}
    yield Case(f"rtrl-{name}", cell, both, _ONLINE_SIZES, learner=Sensitive)
    yield Case(f"rtrl-{name}-wide", cell, alone, _WIDE, learner=Sensitive)


def _in_chunks(name: str, cell: Callable[[int, int], Cell]) -> Iterator[Case]:
    """Chunks against generated code for single steps, and where they are few, the slow loop."""
    for suffix, engine, chosen in (
        ("", "fused", _MATRIX_SIZES),
        ("-loop", "reference", _MATRIX_SIZES[::2]),
    ):
        peers = {f"engine {engine}": on_engine(engine)}
        yield Case(f"chunk-{name}{suffix}", cell, peers, chosen, engine="chunk")


def _linear(name: str, cell: Callable[[int, int], Cell]) -> Case:
    """Generated code against the loop and against one scan over all steps."""
    peers = {f"engine {engine}": on_engine(engine) for engine in ("reference", "parallel")}
    return Case(f"linear-{name}", cell, peers, _LINEAR_SIZES)


CASES = {
    case.name: case
    for case in (
        Case("lstm", LSTMStep, {"nn.LSTM": torch_module(nn.LSTM)}, _TORCH_SIZES),
        Case("gru", GRUStep, {"nn.GRU": torch_module(nn.GRU)}, _TORCH_SIZES),
        Case("elman", ElmanStep, {"nn.RNN": torch_module(nn.RNN)}, _TORCH_SIZES),
        *(Case(name, cell, _LOOPS, _LOOP_SIZES) for name, cell in _STEPS.items()),
        *(_auto(name, cell, _TORCH_SIZES, "torch") for name, cell in _NATIVE.items()),
        *(_auto(name, cell, _LOOP_SIZES, "reference") for name, cell in _STEPS.items()),
        *(case for name, (cell, width) in _SOLVED.items() for case in _solved(name, cell, width)),
        *(_linear(name, cell) for name, cell in _LINEAR.items()),
        *(case for name, cell in _ONLINE.items() for case in _online(name, cell)),
        *(case for name, cell in _MATRICES.items() for case in _in_chunks(name, cell)),
        Case("lstm-16", LSTMStep, _COMPILED, _FEW_STEPS, slow=True),
        Case("layer-norm-lstm-16", layer_norm_lstm, _COMPILED, _FEW_STEPS, slow=True),
    )
}


def select(names: Sequence[str] = (), *, slow: bool = False, quick: bool = False) -> list[Case]:
    """The cases of these names.

    Args:
        names: or patterns such as "auto-*"; none: all that are not slow.
        slow: the slow ones besides.
        quick: their shortened forms.

    Raises:
        ArgumentError: if a name is unknown.
    """
    wanted = set[str]()
    for name in names:
        found = matching(CASES, name)
        if not found:
            raise ArgumentError(f"No case is called {name!r}. {nearest(name, CASES)}")
        wanted.update(found)
    chosen = [
        case
        for case in CASES.values()
        if case.name in wanted or (case.slow and slow) or not (names or case.slow)
    ]
    return [shortened(case) if quick else case for case in chosen]


def shortened(case: Case) -> Case:
    """A case at its two smallest sizes, with few steps: it shows that it works, not how fast."""
    sizes = [replace(size, steps=min(size.steps, 64)) for size in case.sizes[:2]]
    return replace(case, sizes=sizes)


def pairs(cases: Sequence[Case]) -> Iterator[tuple[Case, str, Size]]:
    """Every case with every peer at every size."""
    for case in cases:
        for peer in case.peers:
            for size in case.sizes:
                yield case, peer, size
