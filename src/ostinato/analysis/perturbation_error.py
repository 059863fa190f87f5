"""The perturbation error: how much worse a model becomes when all its weights change a little.

    E(β) = max of the loss over changes of the weights of size up to β

A target is approximated stably by ever larger models if their E(β) have a limit that is
continuous in β. If E(β) rises with the size of the model for a small β, they reach the target
only near the edge of stability.

Source: Wang, Li & Li 2024, "Inverse approximation theory for nonlinear recurrent neural
networks", arXiv 2305.19190. As in its experiments, β is the largest change of each tensor's
elements, in random directions, so E is a lower bound of the maximum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ostinato.analysis.finding import Finding, Table
from ostinato.core.errors import ArgumentError
from ostinato.tasks.task import Batch, Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__papers__ = ("inverse-approximation",)


@dataclass(frozen=True)
class PerturbationError(Finding):
    """E at each β.

    Attributes:
        sizes: (N,) β, ascending.
        errors: (N,) E(β).
        unperturbed: E(0), the loss of the model as it is.
    """

    sizes: Tensor
    errors: Tensor
    unperturbed: float

    @property
    def amplification(self) -> Tensor:
        """(N,) E(β) / E(0)."""
        return self.errors / self.unperturbed

    def table(self) -> Table:
        """One row for each β, 0 first."""
        columns = torch.stack([self.sizes, self.errors, self.amplification], 1).tolist()
        return Table(["β", "E(β)", "E(β) / E(0)"], [[0.0, self.unperturbed, 1.0], *columns])

    def draw(self, axes: Axes) -> None:
        """E over β, both logarithmic, with E(0)."""
        axes.loglog(self.sizes.numpy(), self.errors.numpy(), marker=".")
        axes.axhline(self.unperturbed, color="black", linewidth=0.8, linestyle="--")
        axes.set_xlabel("perturbation β")
        axes.set_ylabel("worst loss E(β)")


@torch.no_grad()
def perturbation_error(
    model: nn.Module,
    task: Task,
    sizes: Sequence[float] = (0.001, 0.004, 0.016, 0.064, 0.256),
    draws: int = 10,
    sequences: int = 250,
    seed: int = 0,
) -> PerturbationError:
    """Perturb all parameters of a model, and measure its loss on held-out data.

    What is perturbed of a parametrised weight is its free parameter.

    Args:
        model: maps (inputs, state, lengths, resets) to (outputs, state); left as it was.
        task: gives held-out sequences and the loss.
        sizes: β.
        draws: how many directions; the same ones for every β.
        sequences: how many held-out sequences at most; of one long text, streams of one window.
        seed: of the directions.

    Raises:
        ArgumentError: if there is no draw, or a size is not positive.
    """
    if draws < 1 or not sizes or min(sizes) <= 0:
        raise ArgumentError(
            f"Expected 1 or more draws and sizes above 0; got {draws} draws and sizes {[*sizes]}."
        )
    batch = next(iter(task.held_out(task.splits[0], sequences)))
    was_training, ascending = model.training, sorted(sizes)
    model.eval()
    try:
        unperturbed = _loss(model, task, batch)
        worst = torch.full((len(ascending),), unperturbed, dtype=torch.float64)
        for draw in range(draws):
            for i, size in enumerate(ascending):
                with _perturbed(model, size, seed + draw):
                    worst[i] = worst[i].maximum(torch.tensor(_loss(model, task, batch)))
    finally:
        model.train(was_training)
    # What a smaller change does, is done by no more than a larger one.
    errors = worst.nan_to_num(torch.inf, torch.inf).cummax(0).values
    return PerturbationError(torch.tensor(ascending, dtype=torch.float64), errors, unperturbed)


@contextmanager
def _perturbed(model: nn.Module, size: float, seed: int) -> Iterator[None]:
    """A model whose tensors are moved by `size` in their largest element."""
    generator = torch.Generator().manual_seed(seed)
    kept = [parameter.clone() for parameter in model.parameters()]
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator).to(parameter)
        parameter.add_(noise, alpha=size / max(float(noise.abs().max()), 1e-30))
    try:
        yield
    finally:
        for parameter, value in zip(model.parameters(), kept, strict=True):
            parameter.copy_(value)


def _loss(model: nn.Module, task: Task, batch: Batch) -> float:
    device = next(model.parameters()).device
    batch = batch.to(device)
    outputs = model(batch.inputs, None, batch.lengths, batch.resets)[0]
    return float(task.loss(outputs, batch))
