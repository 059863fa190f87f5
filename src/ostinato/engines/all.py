"""All engines, registered on import; apart from the package, whose parts can be used alone."""

from ostinato.core.registry import register
from ostinato.engines.chunk.engine import Chunk
from ostinato.engines.fused.engine import FusedLoop
from ostinato.engines.parallel.engine import Parallel
from ostinato.engines.peers.accelerated_scan import AcceleratedScan
from ostinato.engines.peers.flash_linear_attention import FlashLinearAttention
from ostinato.engines.peers.flashrnn import FlashRNN
from ostinato.engines.peers.pararnn import ParaRNN
from ostinato.engines.reference import Reference
from ostinato.engines.torch_native import TorchNative

register(TorchNative())
register(Chunk())
register(FusedLoop())
register(Parallel())
register(Reference())
register(AcceleratedScan())
register(ParaRNN())
register(FlashRNN())
register(FlashLinearAttention())
