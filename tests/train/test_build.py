"""The model is what the configuration says, and comes back from a checkpoint without data."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from ostinato.core.errors import ArgumentError, CheckpointError
from ostinato.models.sequence_model import OneHot
from ostinato.tasks.task import Symbols, Values
from ostinato.train.build import (
    Ports,
    build_model,
    build_optimizer,
    build_task,
    build_transforms,
    load_trained,
)
from ostinato.train.config import TrainConfig
from ostinato.train.loop import train

PORTS = Ports(Symbols(11), Symbols(7), per_step=True)


def config(**options: object) -> TrainConfig:
    return TrainConfig(**{"steps": 1, "hidden_size": 6, **options})


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "Elman"])
def test_layers_cells_and_sizes(cell: str) -> None:
    model = build_model(config(cell=cell, layers=3, embedding_size=4), PORTS)
    outputs, state = model(torch.randint(11, (2, 5)))
    assert outputs.shape == (2, 5, 7)
    assert len(state) == 3


def test_a_projection_changes_the_width_between_layers() -> None:
    model = build_model(config(layers=2, cell_options={"projection": 3}), PORTS)
    assert model(torch.randint(11, (2, 5)))[0].shape == (2, 5, 7)
    assert model.head.in_features == 3


def test_a_published_model_in_the_place_of_layers() -> None:
    options = {"model": "FlashRNN", "model_options": {"heads": 3}, "cell": "GRU", "dropout": 0.1}
    model = build_model(config(layers=2, engine="reference", **options), PORTS)
    assert model(torch.randint(11, (2, 5)))[0].shape == (2, 5, 11)
    assert model.config.width == 6
    assert model.dropout == 0.1
    assert [block.recurrence.cell.heads for block in model.layer.layers] == [3, 3]
    with pytest.raises(ArgumentError, match="FlashRNN reads symbols and answers each"):
        build_model(config(**options), Ports(Symbols(11), Values(2), per_step=True))


@pytest.mark.parametrize(
    ("option", "place"), [("cell", "--cell"), ("width", "--hidden_size"), ("symbols", "the task")]
)
def test_what_the_command_says_itself_is_no_option_of_a_model(option: str, place: str) -> None:
    with pytest.raises(ArgumentError, match=f"'{option}' is no option of .*: {place}"):
        build_model(config(model="FlashRNN", model_options={option: 3}), PORTS)


def test_a_published_size_sets_width_and_layers() -> None:
    options = {"model": "ParaRNN", "cell": "ParaGRU", "model_options": {"size": "400M"}}
    with pytest.raises(ArgumentError, match="--hidden_size or --layers set otherwise"):
        build_model(config(layers=2, **options), PORTS)
    plain = {"hidden_size": TrainConfig.hidden_size, "layers": TrainConfig.layers}
    with torch.device("meta"):
        model = build_model(config(**plain, **options), PORTS)
    assert (model.config.width, model.config.layers, model.config.symbols) == (1024, 24, 11)


def test_a_published_model_without_a_choice_of_cells() -> None:
    options = {"model": "DeltaProduct", "model_options": {"num_heads": 2, "head_dim": 4}}
    model = build_model(config(layers=2, engine="reference", **options), PORTS)
    assert model(torch.randint(11, (2, 5)))[0].shape == (2, 5, 11)
    with pytest.raises(ArgumentError, match="one recurrence, and --cell named 'GRU'"):
        build_model(config(cell="GRU", **options), PORTS)


def test_encoders() -> None:
    assert isinstance(build_model(config(embedding_size=None), PORTS).encoder, OneHot)
    assert isinstance(build_model(config(), PORTS).encoder, nn.Embedding)
    values = Ports(Values(3), Values(2), per_step=False)
    assert build_model(config(), values)(torch.randn(2, 5, 3))[0].shape == (2, 2)


def test_the_seed_decides_the_weights_and_nothing_else_is_moved() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    one, two, other = (build_model(config(seed=s), PORTS) for s in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one.head.weight, two.head.weight)
    assert not torch.equal(one.head.weight, other.head.weight)


def test_only_matrices_decay() -> None:
    model = build_model(config(), PORTS)
    matrices, vectors = build_optimizer(config(weight_decay=0.5), model).param_groups
    assert {p.dim() for p in matrices["params"]} == {2}
    assert {p.dim() for p in vectors["params"]} == {1}
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.5, 0.0)
    count = sum(len(g["params"]) for g in (matrices, vectors))
    assert count == len(list(model.parameters()))


def test_clipping_comes_before_noise() -> None:
    names = [type(t).__name__ for t in build_transforms(config(noise_eta=0.1)).transforms]
    assert names == ["ClipNorm", "GradientNoise"]
    assert build_transforms(config(clip=None)).transforms == []


def test_short_names_become_options_of_the_task(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello world " * 100)
    task = build_task(config(text=str(tmp_path / "a.txt"), window=9))
    assert task.batch(0, 2).inputs.shape == (2, 9)
    with pytest.raises(ArgumentError, match="window"):
        build_task(config(task="delay_copy", window=9))


@pytest.mark.parametrize("port", [Symbols(3), Values(5)])
def test_ports_survive_json(port: Symbols | Values) -> None:
    ports = Ports(port, port, per_step=False)
    assert Ports.from_json(ports.to_json()) == ports


def test_a_model_comes_back_without_its_data(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("hello world " * 100)
    done = train(config(text=str(text), window=5, batch_size=2, steps=3, out=tmp_path / "run"))
    text.unlink()
    for path in (tmp_path / "run", done.checkpoint):
        trained = load_trained(path)
        assert trained.step == 3
        assert trained.score == done.score
        assert not trained.model.training
        assert set(trained.vocabulary["characters"]) == set("hello world")
        symbols = trained.ports.inputs.count
        assert trained.model(torch.zeros(1, 4, dtype=torch.long))[0].shape == (1, 4, symbols)


def test_a_published_model_comes_back(tmp_path: Path) -> None:
    options = {"task": "running_parity", "model": "ParaRNN", "cell": "ParaGRU"}
    options |= {"task_options": {"steps": 4, "held_out_steps": 4}, "engine": "reference"}
    train(config(out=tmp_path / "run", model_options={"heads": 2}, **options))
    model = load_trained(tmp_path / "run").model
    assert model.config.heads == 2
    assert model.config.cell == "ParaGRU"


def test_a_folder_without_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_trained(tmp_path)
