"""From a configuration to the task, the model and what trains it; from a checkpoint, back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ostinato.cells import make_cell
from ostinato.cells.from_file import file_of
from ostinato.core.errors import ArgumentError, CheckpointError, DataError
from ostinato.models.published import has_cells, make_language_model
from ostinato.models.sequence_model import OneHot, SequenceModel
from ostinato.over.time import RNN, Stack
from ostinato.tasks import make_task
from ostinato.tasks.task import Symbols, Task, Values
from ostinato.train import checkpoint
from ostinato.train.config import TrainConfig
from ostinato.train.folder import CHECKPOINTS
from ostinato.train.gradient_noise import GradientNoise
from ostinato.train.seeding import step_seed
from ostinato.train.transforms import Chain, ClipNorm, GradientTransform

BETAS = (0.8, 0.95)
"""Of AdamW: lower than usual, since small recurrent nets in small batches learn faster so."""


@dataclass(frozen=True)
class Ports:
    """What a model reads and answers: all that it needs to know of a task.

    Attributes:
        inputs: what it reads at every step.
        outputs: what it predicts.
        per_step: whether it answers at every step.
    """

    inputs: Symbols | Values
    outputs: Symbols | Values
    per_step: bool

    @classmethod
    def of(cls, task: Task) -> Ports:
        """The ports of a model for `task`."""
        return cls(task.inputs, task.outputs, task.per_step)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        ends = {"inputs": self.inputs, "outputs": self.outputs}
        return {name: _port_to_json(port) for name, port in ends.items()} | {
            "per_step": self.per_step
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Ports:
        """The inverse of `to_json`."""
        inputs, outputs = (_port_from_json(values[name]) for name in ("inputs", "outputs"))
        return cls(inputs, outputs, values["per_step"])


def build_task(config: TrainConfig) -> Task:
    """The task that the configuration names, with its options."""
    named = {"path": config.text, "window": config.window}
    given = {name: value for name, value in named.items() if value is not None}
    return make_task(config.task, **{**given, **config.task_options})


def build_model(config: TrainConfig, ports: Ports) -> SequenceModel:
    """The model that the configuration describes, with weights drawn from its seed.

    Raises:
        ArgumentError: if a published model is named that does not fit the task.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(step_seed(config.seed, 0, "weights"))
        if config.model is not None:
            return _published(config, ports)
        encoder, size = _encoder(config, ports.inputs)
        layer, width = _layer(config, size)
        head = nn.Linear(width, _size(ports.outputs))
        nn.init.zeros_(head.bias)
    return SequenceModel(encoder, layer, head, per_step=ports.per_step, dropout=config.dropout)


def build_optimizer(config: TrainConfig, model: nn.Module) -> torch.optim.Optimizer:
    """AdamW; matrices decay, vectors such as biases and gains do not."""
    parameters = list(model.parameters())
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.dim() > 1]},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups, config.learning_rate, BETAS, weight_decay=config.weight_decay, fused=True
    )


def build_transforms(config: TrainConfig) -> Chain:
    """Clipping, then noise, as far as they are wanted."""
    transforms: list[GradientTransform] = []
    if config.clip is not None:
        transforms.append(ClipNorm(config.clip))
    if config.noise_eta:
        transforms.append(GradientNoise(config.noise_eta, config.noise_gamma, seed=config.seed))
    return Chain(transforms)


@dataclass(frozen=True)
class Trained:
    """A model from a checkpoint, and what it was trained with.

    Attributes:
        model: with its weights, in evaluation mode.
        config: of its run.
        ports: what it reads and answers.
        vocabulary: of its symbols, as JSON values; None if the task has none.
        step: optimizer steps done.
        score: the best score of the run so far.
    """

    model: SequenceModel
    config: TrainConfig
    ports: Ports
    vocabulary: dict[str, Any] | None
    step: int
    score: float | None


def load_trained(path: Path, cell: str | None = None) -> Trained:
    """Build the model of a checkpoint and load its weights; its data are not needed.

    Args:
        path: a checkpoint, or the folder of a run: then its best one, or else its newest.
        cell: for a cell of one's own, `FILE.py:CLASS`: reading a checkpoint never runs code
            that only the checkpoint names.

    Raises:
        ArgumentError: if the cell is code in a file, and `cell` is missing.
        CheckpointError: if there is no whole checkpoint, or its weights do not fit the cell.
    """
    content = checkpoint.load(_checkpoint_in(path))
    config = TrainConfig.from_json(content["config"])
    if cell is None and file_of(config.cell):
        raise ArgumentError(
            f"The cell of {path} is code in a file, which is run only if you name it: "
            f"--cell {config.cell} (or cell=...)."
        )
    config, ports = replace(config, cell=cell or config.cell), Ports.from_json(content["ports"])
    model = build_model(config, ports)
    try:
        model.load_state_dict(content["model"])
    except RuntimeError as error:
        raise CheckpointError(
            f"the weights of {path} do not fit the cell {config.cell!r}; name the one "
            f"that it was trained with. {error}"
        ) from error
    return Trained(
        model.eval(),
        config,
        ports,
        content["vocabulary"],
        content["step"],
        content["early_stopping"]["best"],
    )


def task_of(trained: Trained) -> Task:
    """The task of the run, with the data as they are now.

    Raises:
        DataError: if the data give other symbols than the model knows.
    """
    task = build_task(trained.config)
    vocabulary = getattr(task, "vocabulary", None)
    if vocabulary is not None and vocabulary.as_dict() != trained.vocabulary:
        raise DataError(
            "The text is not the one that this model was trained on: its vocabulary differs. "
            "Measure on a file with `ostinato evaluate --text FILE`."
        )
    return task


def _checkpoint_in(path: Path) -> Path:
    if (path / checkpoint.TREE).exists():
        return path
    folder = path / CHECKPOINTS
    found = checkpoint.best(folder) or checkpoint.latest(folder)
    if found is None:
        raise CheckpointError(
            f"there is no checkpoint in {path}. Give the folder of a run (--out of `ostinato "
            "train`) or a folder step-00001234 inside its checkpoints."
        )
    return found


_ELSEWHERE = {
    "cell": "--cell",
    "width": "--hidden_size",
    "layers": "--layers",
    "symbols": "the task or the text",
}
"""Fields of a published model that the command has options of its own for, or finds."""


def _published(config: TrainConfig, ports: Ports) -> SequenceModel:
    inputs, outputs = ports.inputs, ports.outputs
    if not (isinstance(inputs, Symbols) and isinstance(outputs, Symbols) and ports.per_step):
        raise ArgumentError(
            f"{config.model} reads symbols and answers each with one, and the task "
            f"{config.task!r} wants something else. Drop --model."
        )
    name, options = str(config.model), dict(config.model_options)
    for option in options.keys() & _ELSEWHERE.keys():
        raise ArgumentError(
            f"{option!r} is no option of --model_options: {_ELSEWHERE[option]} says it."
        )
    if has_cells(name):
        options["cell"] = config.cell
    elif config.cell != TrainConfig.cell:
        raise ArgumentError(
            f"{name} has one recurrence, and --cell named {config.cell!r}. Drop --cell; the "
            "options of the recurrence are among --model_options."
        )
    if "size" not in options:
        options |= {"width": config.hidden_size, "layers": config.layers}
    elif (config.hidden_size, config.layers) != (TrainConfig.hidden_size, TrainConfig.layers):
        raise ArgumentError(
            f"The size {options['size']!r} of --model_options sets width and layers, which "
            "--hidden_size or --layers set otherwise. Drop one of them."
        )
    symbols = max(inputs.count, outputs.count)
    model = make_language_model(name, config.engine, symbols=symbols, **options)
    model.dropout = config.dropout
    return model


def _encoder(config: TrainConfig, inputs: Symbols | Values) -> tuple[nn.Module, int]:
    """The encoder, and the size of what it gives to the layer."""
    if isinstance(inputs, Values):
        return nn.Identity(), inputs.size
    if config.embedding_size is None:
        return OneHot(inputs.count), inputs.count
    return nn.Embedding(inputs.count, config.embedding_size), config.embedding_size


def _layer(config: TrainConfig, size: int) -> tuple[Stack, int]:
    """The layers, and the size of their outputs."""
    layers = []
    for _ in range(config.layers):
        cell = make_cell(config.cell, size, config.hidden_size, **config.cell_options)
        layers.append(RNN(cell, config.engine))
        with torch.no_grad():
            size = layers[-1].step(torch.zeros(1, size))[0].shape[-1]
    return Stack(layers, config.dropout), size


def _size(port: Symbols | Values) -> int:
    return port.count if isinstance(port, Symbols) else port.size


def _port_to_json(port: Symbols | Values) -> list[Any]:
    return ["symbols" if isinstance(port, Symbols) else "values", _size(port)]


def _port_from_json(values: list[Any]) -> Symbols | Values:
    kind, size = values
    return Symbols(size) if kind == "symbols" else Values(size)
