"""The Neural GPU: convolutional gated recurrent units on an image that is as long as the input.

The image s (B, M, w, n) begins with the embedded symbols in its first row and zeros elsewhere; n
steps, as many as there are symbols, each pass it through all layers of

    s ← u ⊙ s + (1 − u) ⊙ tanh(U * (r ⊙ s) + b),    u, r = σ'(U' * s + b'), σ'(U'' * s + b'')

with * a convolution and σ'(x) = min(1, max(0, 1.2 σ(x) − 0.1)), whose gates close entirely; the
answers are read from the first row. It is a recurrence without inputs: what is read is its state.

Source: Kaiser & Sutskever 2016, "Neural GPUs Learn Algorithms", ICLR, arXiv 1511.08228; trained
with gradient noise by Neelakantan et al. 2015, arXiv 1511.06807.
Deviation: no dropout, no curriculum, and no relaxation of parameters that are shared later.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ostinato.core.scan import scan

__papers__ = ("gradient-noise",)


class ConvolutionalGRU(nn.Module):
    """One gated layer over an image, (B, M, w, n) to the same shape.

    Args:
        maps: M.
        kernel: side of the convolutions, odd.
        bias: what the gate u begins at; positive: the image is kept.
    """

    def __init__(self, maps: int, kernel: int = 3, bias: float = 1.0) -> None:
        super().__init__()
        self.gates = nn.Conv2d(maps, 2 * maps, kernel, padding=kernel // 2)
        self.candidate = nn.Conv2d(maps, maps, kernel, padding=kernel // 2)
        with torch.no_grad():
            self.gates.bias[:maps] = bias  # type: ignore[index]

    def forward(self, s: Tensor) -> Tensor:
        """Pass the image on."""
        gates = (1.2 * self.gates(s).sigmoid() - 0.1).clamp(0, 1)
        u, r = gates.chunk(2, 1)
        passed: Tensor = u * s + (1 - u) * self.candidate(r * s).tanh()
        return passed


class NeuralGPUStep(nn.Module):
    """One step: the image through all layers, as `ost.scan` takes it. It reads no input.

    Args:
        maps: M.
        layers: how many.
        kernel: side of the convolutions, odd.
    """

    def __init__(self, maps: int, layers: int = 2, kernel: int = 3) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(ConvolutionalGRU(maps, kernel) for _ in range(layers)))

    def forward(self, image: Tensor, nothing: Tensor) -> tuple[Tensor, None]:
        """(B, M, w, n) and an input without elements to the next image."""
        return self.layers(image), None


class NeuralGPU(nn.Module):
    """Symbols (B, n) to answers (B, n, K), in n steps.

    Args:
        symbols: how many there are to read.
        answers: K, how many to write.
        maps: M.
        layers: in each step.
        width: w, rows of the image.
        kernel: side of the convolutions, odd.
        engine: of the recurrence.
    """

    def __init__(
        self,
        symbols: int,
        answers: int,
        maps: int = 24,
        layers: int = 2,
        width: int = 4,
        kernel: int = 3,
        engine: str = "auto",
    ) -> None:
        super().__init__()
        self.width, self.engine = width, engine
        self.embedding = nn.Embedding(symbols, maps)
        self.step = NeuralGPUStep(maps, layers, kernel)
        self.head = nn.Linear(maps, answers)

    def forward(self, symbols: Tensor) -> Tensor:
        """Run as many steps as there are symbols."""
        first = self.embedding(symbols).movedim(-1, 1)[:, :, None]
        image = nn.functional.pad(first, (0, 0, 0, self.width - 1))
        nothing = image.new_empty(symbols.shape[1], 0)
        image, _ = scan(self.step, image, nothing, engine=self.engine)
        answers: Tensor = self.head(image[:, :, 0].movedim(1, -1))
        return answers

    def extra_repr(self) -> str:
        """The width of the image, for `print`."""
        return f"width={self.width}, engine={self.engine!r}"
