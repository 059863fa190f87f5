"""The fused engine with Triton's interpreter, which runs kernels for devices on CPU tensors."""

from __future__ import annotations

from ostinato.core import registry
from ostinato.engines.fused.backend import Triton
from ostinato.engines.fused.engine import FusedLoop


class Interpreted(FusedLoop):
    name = "triton"
    summary = "Triton's interpreter, for tests"
    rank = -1

    def __init__(self, form):
        super().__init__(lambda _: Triton("cpu", form))


def install(form=None):
    """Make it available as "triton", in a form of loops that is taken wherever it can be."""
    registry.engines()
    registry.register(Interpreted(form))


def remove():
    """Undo `install`."""
    registry._ENGINES.pop(Interpreted.name, None)
