"""The classifier of long sequences that the experiments on DEER train, around any layers over time.

    u = MLP(x);   for each layer:  u ← LN(u),  u ← LN(layer(u) + u),  u ← MLP(u) + u
    logits = MLP(mean of u over time)

Lim, Zhu, Selfridge & Kasim 2024, arXiv 2309.12252, for EigenWorms, with five GRUs of 32 units. As
in their code residuals begin behind the norm, which has no weights, and MLPs have one layer of as
many units. Deviations: inputs are brought to mean 0 and deviation 1, and MLPs have GELU, as their
net for images; the ReLUs of one that learns fast enough for minutes died in its first steps.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn
from torch.nn import functional as F

from ostinato.over.layer import SequenceLayer
from ostinato.tasks.task import Symbols, Task, Values

# Rows of training that tell mean and deviation of the inputs.
_ROWS = 64


class Encoder(nn.Module):
    """Logits of whole sequences.

    Args:
        task: what is classified.
        width: H.
        layers: over time, from (B, T, H) to (B, T, H).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, task: Task, width: int, layers: Iterable[SequenceLayer]) -> None:
        super().__init__()
        assert isinstance(task.inputs, Values)
        assert isinstance(task.outputs, Symbols)
        self.layers = nn.ModuleList(layers)
        self.encode = _mlp(task.inputs.size, width, width)
        self.mlps = nn.ModuleList(_mlp(width, width, width) for _ in self.layers)
        self.classify = _mlp(width, width, task.outputs.count)
        some = task.batch(0, _ROWS).inputs
        self.register_buffer("mean", some.mean((0, 1)))
        self.register_buffer("deviation", some.std((0, 1)).clamp_min(1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """X (B, T, D) to logits (B, K)."""
        u = self.encode((x - self.mean) / self.deviation)
        for layer, mlp in zip(self.layers, self.mlps, strict=True):
            u = _norm(u)
            u = _norm(layer(u)[0] + u)
            u = mlp(u) + u
        found: Tensor = self.classify(u.mean(1))
        return found


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, outputs))


def _norm(u: Tensor) -> Tensor:
    return F.layer_norm(u, u.shape[-1:])
