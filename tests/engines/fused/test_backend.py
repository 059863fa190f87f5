"""What each kind of generated code asks of a step."""

from __future__ import annotations

import pytest
import torch

from ostinato.engines.fused import backend as module
from ostinato.engines.fused.backend import Cpp, Triton, backend
from ostinato.engines.fused.loop import Loop
from ostinato.engines.fused.toolchain import find_compiler

from .steps import W, fissioned


def step(h, x):
    return torch.tanh(h @ W + torch.sigmoid(x))


def test_by_the_kind_of_device():
    assert isinstance(backend("cpu"), Cpp)
    assert isinstance(backend("cuda"), Triton)
    assert backend("meta") is None


def test_the_input_part_is_the_kernels_on_the_cpu_and_torchs_on_a_device():
    fission = fissioned(step)
    (alone,) = (node.op for node in Cpp().divide(fission, torch.float64).inputs)
    assert alone == "placeholder"
    (made,) = (node.op for node in Triton().divide(fission, torch.float64).inputs)
    assert made == "call_function"


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(module, "find_compiler", lambda: None)
    monkeypatch.setattr(module, "_has_triton", lambda: False)
    assert "no C++ compiler" in Cpp().obstacle()
    assert "ostinato[gpu]" in Triton().obstacle()


@pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler")
def test_both_compile_to_the_same_interface():
    from ostinato.engines.fused.lower import lower

    pytest.importorskip("triton")
    core = lower(fissioned(step))
    wanted = {name for name in vars(Loop) if not name.startswith("_")}
    for made in (Cpp().compile(core, torch.float64), Triton("cpu").compile(core, torch.float64)):
        assert set(made.programs) == {"forward", "forward_saving", "backward"}
        assert all(hasattr(made, name) for name in (*wanted, *Loop.__annotations__))
