"""The configuration of a run: everything that decides its numbers, in one frozen dataclass.

The docstrings under the fields are the help texts of the command line. Nothing here imports
torch, so that `--help` answers at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ostinato.core.errors import ArgumentError
from ostinato.train.settings import Settings

SCHEDULES = ("constant", "cosine", "linear")
PRECISIONS = ("fp32", "bf16")
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Settings):
    """What to train, on what, for how long, and where to."""

    task: str = "text"
    """Name of the task."""
    task_options: dict[str, Any] = field(default_factory=dict)
    """Options of the task, e.g. '{"length": 100}'."""
    text: str | None = None
    """A text file or folder to learn, for the task "text"."""
    window: int | None = None
    """Steps per training window, for tasks that have the option 'window'."""

    cell: str = "LSTM"
    """Name of the cell, or FILE.py:CLASS for one of your own, whose file is run."""
    cell_options: dict[str, Any] = field(default_factory=dict)
    """Options of the cell."""
    model: str | None = None
    """A published language model in the place of layers of the cell, e.g. FlashRNN."""
    model_options: dict[str, Any] = field(default_factory=dict)
    """Options of the model beside cell, hidden_size and layers, e.g. '{"heads": 4}'; of a size
    of its paper, which sets those two, e.g. '{"size": "165M"}'."""
    hidden_size: int = 384
    """Units of each layer."""
    layers: int = 1
    """Layers on top of one another."""
    embedding_size: int | None = 64
    """Size of the vectors that stand for input symbols, of a model always hidden_size; null:
    one-hot vectors."""
    dropout: float = 0.0
    """Probability of dropping a unit before and after each layer."""
    engine: str = "auto"
    """Engine that runs the recurrence."""

    batch_size: int = 16
    """Rows per step and per process."""
    steps: int | None = None
    """Budget: optimizer steps."""
    minutes: float | None = None
    """Budget: minutes of wall time, evaluations included."""
    learning_rate: float = 6e-3
    """Peak learning rate of AdamW."""
    schedule: str = "cosine"
    """Learning rate after the warm-up: constant, cosine or linear decay to zero."""
    warmup: int = 50
    """Steps of linear warm-up."""
    weight_decay: float = 0.0
    """Decoupled weight decay of AdamW; biases and norms are exempt."""
    clip: float | None = 1.0
    """Largest global norm of the gradient; none: no clipping."""
    noise_eta: float = 0.0
    """Variance of Gaussian gradient noise at the first step; 0: no noise."""
    noise_gamma: float = 0.55
    """Decay of the noise variance: eta / (1 + step)^gamma."""
    patience: int | None = None
    """Stop after this many evaluations without a better score; none: never."""
    evaluate_every: int | None = None
    """Steps between evaluations; none: eight times per run."""
    checkpoint_every: int | None = None
    """Steps between checkpoints; none: after each evaluation only."""
    seed: int = 0
    """Seed of weights, dropout and gradient noise."""

    device: str = "auto"
    """Where to train: auto, cpu or cuda."""
    precision: str = "fp32"
    """Number format of the matrix products: fp32 or bf16."""
    threads: int | None = None
    """CPU threads; none: as torch decides."""
    out: Path = Path("runs/latest")
    """Folder of the run: checkpoints, log, learning curve."""
    resume: bool = False
    """Continue the run in the folder --out from its last checkpoint."""
    overwrite: bool = False
    """Delete the run in the folder --out first."""
    tensorboard: bool = False
    """Also write TensorBoard event files."""

    def __post_init__(self) -> None:
        self._check_folder()
        for name in ("hidden_size", "layers", "batch_size"):
            self._at_least(name, 1)
        for name in ("embedding_size", "window", "steps", "patience", "evaluate_every"):
            self._at_least(name, 1)
        for name in ("checkpoint_every", "threads"):
            self._at_least(name, 1)
        for name in ("warmup", "weight_decay", "noise_eta", "noise_gamma", "seed"):
            self._at_least(name, 0)
        for name in ("minutes", "learning_rate", "clip"):
            self._positive(name)
        if not 0 <= self.dropout < 1:
            self._reject("dropout", "a probability, 0 <= p < 1")
        self._one_of("schedule", SCHEDULES)
        self._one_of("precision", PRECISIONS)
        self._one_of("device", DEVICES)
        self._check_together()

    def _check_together(self) -> None:
        if self.steps is None and self.minutes is None:
            raise ArgumentError(
                "a run needs a budget, and none was given. Set --steps or --minutes."
            )
        if self.cell_options and self.model is not None:
            raise ArgumentError(
                "--cell_options are for layers of a cell, and --model was given, which has "
                "--model_options. Drop one of them."
            )
        if self.model_options and self.model is None:
            raise ArgumentError("--model_options need a --model, and none was given. Name one.")
        if self.text is not None and self.task != "text":
            raise ArgumentError(
                f"--text is for the task 'text', but --task is {self.task!r}. Drop one of them."
            )
