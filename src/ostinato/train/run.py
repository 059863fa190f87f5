"""A run in progress: all that changes while training, into a checkpoint and out of it."""

from __future__ import annotations

import atexit
import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ostinato.cells.from_file import file_of
from ostinato.core.errors import ArgumentError, CheckpointError
from ostinato.core.extras import extra
from ostinato.core.state import State, index, leaves
from ostinato.models.sequence_model import SequenceModel
from ostinato.tasks.task import Task
from ostinato.train import checkpoint
from ostinato.train.budget import Budget
from ostinato.train.build import (
    Ports,
    build_model,
    build_optimizer,
    build_task,
    build_transforms,
)
from ostinato.train.config import TrainConfig
from ostinato.train.early_stopping import EarlyStopping, StopReason
from ostinato.train.folder import CHECKPOINTS, LOG


class Run:
    """The moving parts of a run.

    Args:
        config: what to train.

    Attributes:
        accelerator: devices and processes.
        task: gives the batches.
        model: as trained, perhaps wrapped for several processes.
        optimizer: of the model.
        transforms: what happens to gradients before the optimizer's step.
        stopping: the best score so far.
        budget: steps and time.
        identity: what a continuation of the run must share.
        step: optimizer steps done.
        state: carried from batch to batch if the task continues.
        finished: why the run ended for good, if it did.
    """

    def __init__(self, config: TrainConfig):
        self.config = config
        self.budget = Budget(config.steps, config.minutes, config.warmup, config.evaluate_every)
        self.accelerator = _accelerator(config)
        self.task: Task = build_task(config)
        self.ports = Ports.of(self.task)
        model = build_model(config, self.ports).to(self.accelerator.device)
        optimizer = build_optimizer(config, model)
        self.model: nn.Module
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.transforms = build_transforms(config)
        self.stopping = EarlyStopping(self.task.higher_is_better, config.patience)
        self.identity = _identity(config, self.task, self.accelerator.num_processes)
        self.step = 0
        self.state: State = None
        self.finished: StopReason | None = None

    @property
    def plain_model(self) -> SequenceModel:
        """The model without the wrapper for several processes."""
        model: SequenceModel = self.accelerator.unwrap_model(self.model)
        return model

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.config.out / CHECKPOINTS

    @property
    def log_path(self) -> Path:
        """The file of JSON lines."""
        return self.config.out / LOG

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes."""
        return bool(self.accelerator.is_main_process)

    @property
    def rows(self) -> int:
        """The rows of a batch over all processes."""
        return int(self.config.batch_size * self.accelerator.num_processes)

    def make_plan(self) -> None:
        """Plan the number of steps by the first process's clock, for all."""
        self.budget.make_plan(self.step)
        # every process has counted its own time already
        told = [self.budget.state_dict() | {"elapsed": 0.0}]
        extra("accelerate.utils", "train", "Training").broadcast_object_list(told)
        self.budget.load_state_dict(told[0])

    def save(self) -> None:
        """Write a checkpoint; all processes take part, the first one writes."""
        content = self.content()
        if self.is_main:
            checkpoint.save(self.checkpoints, self.step, content, best=self.stopping.best_step)
        self.accelerator.wait_for_everyone()

    def content(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        vocabulary = getattr(self.task, "vocabulary", None)
        return {
            "step": self.step,
            "finished": self.finished and self.finished.name,
            "model": self.plain_model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "transforms": self.transforms.state_dict(),
            "state": self._gathered_state(),
            "early_stopping": self.stopping.state_dict(),
            "budget": self.budget.state_dict(),
            "config": self.config.to_json(),
            "identity": self.identity,
            "ports": self.ports.to_json(),
            "vocabulary": vocabulary and vocabulary.as_dict(),
        }

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint.

        Raises:
            CheckpointError: if it belongs to another run; it names what differs.
        """
        content = checkpoint.load(path)
        self._check_identity(path, content["identity"])
        self.step = content["step"]
        self.finished = content["finished"] and StopReason[content["finished"]]
        self.plain_model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.transforms.load_state_dict(content["transforms"])
        self.stopping.load_state_dict(content["early_stopping"])
        self.budget.load_state_dict(content["budget"])
        if content["state"] is not None:
            self.state = self._own_state(content["state"])

    def _gathered_state(self) -> list[Tensor] | None:
        """The leaves of the carried state with the rows of all processes, in their order."""
        if self.state is None:
            return None
        return [self.accelerator.gather(leaf.contiguous()) for leaf in leaves(self.state)]

    def _own_state(self, gathered: list[Tensor]) -> State:
        """This process's rows; the structure is that of the model's initial state."""
        size, process = self.config.batch_size, self.accelerator.process_index
        like = self.plain_model.initial_state(size)
        values = iter(gathered)
        tree = pytree.tree_map(lambda leaf: None if leaf is None else next(values), like)
        rows = index(tree, slice(process * size, (process + 1) * size))
        return pytree.tree_map(lambda leaf, old: leaf.to(old.device), rows, like)

    def _check_identity(self, path: Path, saved: dict[str, Any]) -> None:
        now = self.identity
        names = [n for n in (*saved, *(set(now) - set(saved))) if saved.get(n) != now.get(n)]
        if names:
            listed = "; ".join(f"{n} was {saved.get(n)!r}, is {now.get(n)!r}" for n in names)
            raise CheckpointError(
                f"{path} belongs to a run with other settings: {listed}. Continue with the "
                "settings it had, or begin a new run with another --out."
            )


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Set the number of CPU threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _identity(config: TrainConfig, task: Task, processes: int) -> dict[str, Any]:
    """Configuration, data and number of processes, as JSON gives them back."""
    values = {f"--{name}": value for name, value in config.identity().items()}
    values |= {f"data: {name}": value for name, value in task.describe().items()}
    values["number of processes"] = processes
    code = file_of(config.cell)
    if code is not None:
        values["code of the cell"] = sha256(code.read_bytes()).hexdigest()[:16]
    same: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return same


def _accelerator(config: TrainConfig) -> Any:
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ArgumentError("--device is 'cuda', but torch sees no CUDA device. Use --device cpu.")
    accelerate = extra("accelerate", "train", "Training")
    _forget_single_process(accelerate)
    accelerator = accelerate.Accelerator(
        cpu=config.device == "cpu",
        mixed_precision={"fp32": "no", "bf16": "bf16"}[config.precision],
    )
    if accelerator.num_processes > 1:
        # Threads of the process group that outlive the interpreter end the process by abort.
        atexit.register(_leave_group)
    return accelerator


def _leave_group() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _forget_single_process(accelerate: Any) -> None:
    """Accelerate keeps device and precision per process: a second run may choose others."""
    states = accelerate.state
    shared = states.PartialState._shared_state
    if shared and shared.get("num_processes", 1) == 1:
        states.AcceleratorState._reset_state(reset_partial_state=True)
