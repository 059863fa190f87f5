"""Matrix scans on a device, by own kernels and by a library's, against float64 on the CPU."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch
from torch.nn.functional import normalize

import ostinato as ost
from ostinato.engines.chunk import device
from ostinato.engines.chunk.steps import Steps

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
# The decay, what is erased, and updates a step.
CASES = {
    "linear attention": (None, None, 1),
    "Mamba-2": ("head", None, 1),
    "GLA": ("key", None, 1),
    "DeltaNet": (None, "k", 1),
    "Gated DeltaProduct": ("head", "k", 3),
    "KDA": ("key", "k", 1),
    "RWKV-7": ("key", "other", 2),
}


def made(gate, erasing, n, keys, values, count=300):
    """Arguments of `matrix_scan`, in float64 on the CPU."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape, function=torch.randn):
        return function(shape, dtype=torch.float64, generator=generator)

    rows = 2, count * n, 3
    k = normalize(draw(*rows, keys), dim=-1)
    given = {
        "q": draw(2, count, 3, keys),
        "k": k,
        "v": draw(*rows, values),
        "initial_state": draw(2, 3, keys, values),
    }
    if gate:
        width = keys if gate == "key" else 1
        given["g"] = -torch.exp(4 * draw(2, count, 3, width, function=torch.rand) - 3)
    if erasing:
        given["beta"] = 2 * draw(*rows, function=torch.rand)
        given["erase"] = k if erasing == "k" else normalize(draw(*rows, keys), dim=-1)
    return given


def outcome(given, device, dtype, **options):
    """Outputs, last state and all gradients, on the CPU in float64."""
    leaves = {id(x): x.to(device, dtype).requires_grad_() for x in given.values()}
    there = {name: leaves[id(x)] for name, x in given.items()}
    o, state = ost.matrix_scan(**there, output_final_state=True, **options)
    grads = torch.autograd.grad(o.sin().sum() + state.square().sum(), list(leaves.values()))
    return [x.detach().cpu().double() for x in (o, state, *grads)]


def compared(given, bound, options=None, **there):
    options = options or {}
    expected = outcome(given, "cpu", torch.float64, **options)
    moved = {name: x.cuda() for name, x in options.items()}
    found = outcome(given, "cuda", torch.float32, **moved, **there)
    for a, b in zip(found, expected, strict=True):
        assert float((a - b).norm() / b.norm()) < bound


@pytest.mark.parametrize(("keys", "values"), [(5, 20), (64, 64), (100, 130), (256, 256)])
@pytest.mark.parametrize("case", CASES)
def test_own_kernels(case, keys, values):
    compared(made(*CASES[case], keys, values), 1e-4)


@pytest.mark.parametrize("case", ["GLA", "Gated DeltaProduct"])
def test_sequences_end_to_end(case):
    given = {name: x[:1] for name, x in made(*CASES[case], 64, 64).items()}
    given |= {"initial_state": torch.randn(4, 3, 64, 64, dtype=torch.float64)}
    if "erase" in given:
        given["erase"] = given["k"]
    compared(given, 1e-4, {"cu_seqlens": torch.tensor([0, 1, 65, 200, 300])})


@pytest.mark.parametrize("case", CASES)
def test_a_library_computes_the_same(case):
    if find_spec("fla") is None:
        pytest.skip("fla is not installed")
    # Its products round as the matrix units do.
    compared(made(*CASES[case], 64, 64), 2e-2, backend="flash-linear-attention")


def test_there_are_kernels():
    q = torch.randn(1, 4, 2, 256, device="cuda")
    assert device.compiled(Steps(q, q, q, q, q, None))
