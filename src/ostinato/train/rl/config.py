"""The configuration of an agent's run: everything that decides its numbers.

The docstrings under the fields are the help texts of the command line. Nothing here imports
torch, so that `--help` answers at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ostinato.train.config import SCHEDULES
from ostinato.train.settings import Settings

Algorithms = Literal["a2c", "ppo"]
Learners = Literal["tbptt", "rtrl"]


@dataclass(frozen=True, kw_only=True)
class AgentConfig(Settings):
    """What acts and how it learns, for how long, and where to."""

    environment_options: dict[str, Any] = field(default_factory=dict)
    """Options of the environment, e.g. '{"length": 20}'."""
    environments: int = 32
    """Environments side by side."""

    cell: str = "ELSTM"
    """Name of the cell, or FILE.py:CLASS for one of your own, whose file is run."""
    cell_options: dict[str, Any] = field(default_factory=dict)
    """Options of the cell."""
    hidden_size: int = 64
    """Units of each layer."""
    layers: int = 1
    """Layers on top of one another; rtrl is exact for the last."""
    engine: str = "auto"
    """Engine that runs the recurrence."""

    algorithm: Algorithms = "a2c"
    """Advantage actor-critic, one update for each segment, or proximal policy optimisation."""
    learner: Learners = "tbptt"
    """How far gradients reach: to the beginning of the segment, or of the episode."""
    segment: int = 16
    """Steps of each environment between updates."""
    discount: float = 0.99
    """Worth of a reward one step later."""
    trace_decay: float | None = None
    """Lambda of V-trace or GAE; none: 1 for a2c, 0.95 for ppo."""
    entropy: float = 0.01
    """Weight of the policy's entropy."""
    value: float = 0.5
    """Weight of the error of the values."""
    standardise: bool = True
    """Read observations and rewards in units of their deviations so far; --standardise false:
    as they are."""
    reward_clip: float | None = None
    """Bound of a reward in absolute value; none: no bound."""
    epochs: int = 4
    """Of ppo: how often it learns from a segment."""
    minibatches: int = 4
    """Of ppo: updates in each epoch."""
    ratio_clip: float = 0.2
    """Of ppo: how far the policy may move from the one that acted."""

    learning_rate: float | None = None
    """Peak learning rate; none: 6e-4 of RMSProp for a2c, 3e-4 of Adam for ppo."""
    schedule: str = "linear"
    """Learning rate over the run: constant, cosine or linear decay to zero."""
    clip: float | None = None
    """Largest global norm of the gradient; none: 40 for a2c, whose loss is a sum over the
    segment, 0.5 for ppo, whose loss is a mean."""
    steps: int = 200_000
    """Budget: steps of all environments together."""
    evaluate_every: int | None = None
    """Steps between evaluations; none: eight times per run."""
    episodes: int = 100
    """Episodes of an evaluation."""
    seed: int = 0
    """Seed of weights, environments and actions."""

    threads: int | None = None
    """CPU threads; none: as torch decides."""
    out: Path = Path("runs/agent")
    """Folder of the run: checkpoints, log, learning curve, a recorded episode."""
    resume: bool = False
    """Continue the run in the folder --out from its last checkpoint."""
    overwrite: bool = False
    """Delete the run in the folder --out first."""

    def __post_init__(self) -> None:
        self._check_folder()
        for name in ("environments", "hidden_size", "layers", "segment", "epochs", "minibatches"):
            self._at_least(name, 1)
        for name in ("steps", "evaluate_every", "episodes", "threads"):
            self._at_least(name, 1)
        for name in ("entropy", "value", "seed"):
            self._at_least(name, 0)
        for name in ("reward_clip", "ratio_clip", "learning_rate", "clip"):
            self._positive(name)
        for name in ("discount", "trace_decay"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                self._reject(name, "a number in [0, 1]")
        self._one_of("algorithm", Algorithms.__args__)  # type: ignore[attr-defined]
        self._one_of("learner", Learners.__args__)  # type: ignore[attr-defined]
        self._one_of("schedule", SCHEDULES)
        if self.algorithm == "ppo" and self.minibatches > self.environments:
            self._reject("minibatches", f"at most --environments, {self.environments}")

    @property
    def segment_steps(self) -> int:
        """Steps of all environments in a segment."""
        return self.environments * self.segment
