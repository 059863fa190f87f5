"""How a recurrence is evaluated: one file or folder per engine, registered on import."""

from ostinato.core.registry import register
from ostinato.engines.fused.engine import FusedCPU
from ostinato.engines.reference import Reference
from ostinato.engines.torch_native import TorchNative

register(TorchNative())
register(FusedCPU())
register(Reference())
