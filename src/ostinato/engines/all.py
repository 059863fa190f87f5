"""All engines, registered on import; apart from the package, whose parts can be used alone."""

from ostinato.core.registry import register
from ostinato.engines.fused.engine import FusedLoop
from ostinato.engines.parallel.engine import Parallel
from ostinato.engines.reference import Reference
from ostinato.engines.torch_native import TorchNative

register(TorchNative())
register(FusedLoop())
register(Parallel())
register(Reference())
