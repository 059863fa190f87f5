"""An agent's run in progress: all that changes, into a checkpoint and out of it."""

from __future__ import annotations

import json
from collections import deque
from hashlib import sha256
from pathlib import Path
from statistics import fmean
from typing import Any

from ostinato.cells.from_file import file_of
from ostinato.core.errors import CheckpointError
from ostinato.tasks.rl import make_environment
from ostinato.train import checkpoint
from ostinato.train.early_stopping import EarlyStopping
from ostinato.train.folder import CHECKPOINTS, LOG
from ostinato.train.rl.agent import Learned
from ostinato.train.rl.build import build_agent
from ostinato.train.rl.config import AgentConfig
from ostinato.train.rl.evaluation import Evaluation, evaluate
from ostinato.train.rl.player import Player
from ostinato.train.schedule import learning_rate_factor
from ostinato.train.seeding import step_seed

# Episodes whose mean return says how it goes, and environments that an evaluation runs in.
_RECENT, _SIDE_BY_SIDE = 100, 32
# What a longer continuation of the same run may change.
_BUDGET = frozenset({"evaluate_every", "episodes"})


class Run:
    """The moving parts of an agent's run.

    Args:
        environment: its name.
        config: what acts, and how it learns.

    Attributes:
        agent: that learns.
        best: the best score so far.
        recent: returns of the last episodes.
        evaluation: the last one, if nothing was learned since.
    """

    def __init__(self, environment: str, config: AgentConfig) -> None:
        self.environment, self.config = environment, config
        self.agent = build_agent(config, self.make_environment(config.environments))
        self.best = EarlyStopping(higher_is_better=True)
        self.recent = deque[float](maxlen=_RECENT)
        self.evaluation: Evaluation | None = None
        self._rate = self.agent.optimizer.param_groups[0]["lr"]

    @property
    def step(self) -> int:
        """Steps of all environments together."""
        return self.agent.updates * self.config.segment_steps

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.config.out / CHECKPOINTS

    @property
    def log_path(self) -> Path:
        """The file of JSON lines."""
        return self.config.out / LOG

    @property
    def is_over(self) -> bool:
        """Whether the budget is spent."""
        return self.step >= self.config.steps

    @property
    def evaluates_now(self) -> bool:
        """Whether the last segment completed a part of the run."""
        part = self.config.evaluate_every or -(-self.config.steps // 8)
        before = self.step - self.config.segment_steps
        return self.is_over or self.step // part > before // part

    @property
    def recent_return(self) -> float | None:
        """The mean return of the last episodes; None before the first has ended."""
        return fmean(self.recent) if self.recent else None

    def make_environment(self, number: int) -> Any:
        """Environments like those of the run."""
        return make_environment(self.environment, number, **self.config.environment_options)

    def learn(self) -> tuple[Learned, float]:
        """Act for a segment and learn from it, at the learning rate of its place in the run."""
        rate = self._rate * learning_rate_factor(
            self.config.schedule, self.step / self.config.steps, self.agent.updates, 0
        )
        for group in self.agent.optimizer.param_groups:
            group["lr"] = rate
        learned, self.evaluation = self.agent.learn(), None
        self.recent.extend(learned.finished.returns.tolist())
        return learned, rate

    def evaluate(self) -> Evaluation:
        """Play episodes that nothing is learned from; each evaluation plays the same."""
        if self.evaluation is None:
            seed, count = step_seed(self.config.seed, 0, "evaluation"), self.config.episodes
            environment = self.make_environment(min(count, _SIDE_BY_SIDE))
            self.evaluation = evaluate(self.player(), environment, count, seed)
        return self.evaluation

    def player(self) -> Player:
        """What plays by the policy as it is now, and draws its actions as in training."""
        seed = step_seed(self.config.seed, 0, "played actions")
        return Player(self.agent.policy, seed=seed)

    def save(self) -> None:
        """Write a checkpoint."""
        content = self.agent.content() | {
            "step": self.step,
            "best": self.best.state_dict(),
            "environment_name": self.environment,
            "config": self.config.to_json(),
            "identity": self._identity(),
        }
        checkpoint.save(self.checkpoints, self.step, content, best=self.best.best_step)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            CheckpointError: if it belongs to another run; it names what differs.
        """
        content = checkpoint.load(path)
        saved, now = content.get("identity", {}), self._identity()
        names = [n for n in sorted({*saved, *now}) if saved.get(n) != now.get(n)]
        if names or "environment_name" not in content:
            listed = "; ".join(f"{n} was {saved.get(n)!r}, is {now.get(n)!r}" for n in names)
            raise CheckpointError(
                f"{path} belongs to a run with other settings: {listed}. Continue with the "
                "settings it had, or begin a new run with another --out."
            )
        self.agent.restore(content)
        self.best.load_state_dict(content["best"])

    def _identity(self) -> dict[str, Any]:
        """What a continuation of the run must share, as JSON gives it back."""
        values = {f"--{k}": v for k, v in self.config.identity().items() if k not in _BUDGET}
        values["environment"] = self.environment
        code = file_of(self.config.cell)
        if code is not None:
            values["code of the cell"] = sha256(code.read_bytes()).hexdigest()[:16]
        same: dict[str, Any] = json.loads(json.dumps(values, default=str))
        return same
