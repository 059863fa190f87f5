"""A checkpoint is whole or not there, and gives back what was put in."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ostinato.core.errors import CheckpointError
from ostinato.train import checkpoint


def content(value: float = 1.0) -> dict[str, Any]:
    return {
        "model": {"weight": torch.full((2, 3), value), "half": torch.ones(2, dtype=torch.bfloat16)},
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}, 1: {}}, "lr": 0.1},
        "state": (torch.zeros(2, 4), [None, torch.tensor([True, False])]),
        "vocabulary": "aäß\n\x00\N{SNOWMAN}",
        "exact": 0.1 + 0.2,
        "odd": {"$tensor": 1, "nested": {}},
        "best": None,
    }


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return (
            type(a) is type(b)
            and len(a) == len(b)
            and all(same(x, y) for x, y in zip(a, b, strict=True))
        )
    return type(a) is type(b) and a == b


def test_round_trip(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, 1234, content())
    assert path.name == "step-00001234"
    assert same(checkpoint.load(path), content())


def test_the_weights_are_an_ordinary_safetensors_file(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    path = checkpoint.save(tmp_path, 1, content())
    assert sorted(load_file(path / "model.safetensors")) == ["half", "weight"]


def test_an_optimizer_goes_on_bit_for_bit(tmp_path: Path) -> None:
    net = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(net.parameters())

    def steps(net: nn.Module, optimizer: torch.optim.Optimizer) -> torch.Tensor:
        for i in range(3):
            optimizer.zero_grad()
            net(torch.full((1, 3), float(i))).square().sum().backward()
            optimizer.step()
        return nn.utils.parameters_to_vector(net.parameters()).detach().clone()

    steps(net, optimizer)
    saved = {"model": net.state_dict(), "optimizer": optimizer.state_dict()}
    loaded = checkpoint.load(checkpoint.save(tmp_path, 3, saved))
    expected = steps(net, optimizer)
    other = nn.Linear(3, 2)
    other.load_state_dict(loaded["model"])
    resumed = torch.optim.AdamW(other.parameters())
    resumed.load_state_dict(loaded["optimizer"])
    assert torch.equal(steps(other, resumed), expected)


def test_tied_weights_may_be_saved(tmp_path: Path) -> None:
    shared = torch.ones(3)
    loaded = checkpoint.load(checkpoint.save(tmp_path, 1, {"model": {"a": shared, "b": shared}}))
    assert torch.equal(loaded["model"]["b"], shared)


def test_other_types_are_refused_by_their_place(tmp_path: Path) -> None:
    pair = namedtuple("pair", "a b")
    with pytest.raises(CheckpointError, match=r"state\.1 is a pair"):
        checkpoint.save(tmp_path, 1, {"state": [0, pair(1, 2)]})
    assert checkpoint.latest(tmp_path) is None


def test_the_last_and_the_best_are_kept(tmp_path: Path) -> None:
    for step in range(1, 7):
        checkpoint.save(tmp_path, step, content(), keep=2, best=min(step, 3))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "step-00000003",
        "step-00000005",
        "step-00000006",
    ]
    assert checkpoint.best(tmp_path) == tmp_path / "step-00000003"


def test_latest_counts_rather_than_spells(tmp_path: Path) -> None:
    for step in (99_999_999, 100_000_000):
        checkpoint.save(tmp_path, step, content())
    latest = checkpoint.latest(tmp_path)
    assert latest is not None
    assert checkpoint.step_of(latest) == 100_000_000


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("harm", [truncate, flip, Path.unlink])
@pytest.mark.parametrize("name", [checkpoint.MODEL, checkpoint.TRAINING])
def test_a_damaged_checkpoint_is_named_and_passed_over(
    tmp_path: Path, harm: Any, name: str
) -> None:
    good = checkpoint.save(tmp_path, 1, content())
    bad = checkpoint.save(tmp_path, 2, content())
    harm(bad / name)
    with pytest.warns(UserWarning, match="step-00000002 is damaged"):
        assert checkpoint.latest(tmp_path) == good
    with pytest.raises(CheckpointError, match="step-00000002"):
        checkpoint.load(bad)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1'])
def test_a_damaged_tree_is_passed_over(tmp_path: Path, text: str) -> None:
    good = checkpoint.save(tmp_path, 1, content())
    (checkpoint.save(tmp_path, 2, content()) / checkpoint.TREE).write_text(text)
    with pytest.warns(UserWarning, match="step-00000002"):
        assert checkpoint.latest(tmp_path) == good


def test_nothing_whole_is_an_error_and_nothing_at_all_is_none(tmp_path: Path) -> None:
    assert checkpoint.latest(tmp_path / "absent") is None
    shutil.rmtree(checkpoint.save(tmp_path, 1, content()))
    assert checkpoint.latest(tmp_path) is None
    flip(checkpoint.save(tmp_path, 1, content()) / checkpoint.MODEL)
    with pytest.raises(CheckpointError, match="--overwrite"):
        checkpoint.latest(tmp_path)


def test_another_format_is_named(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, 1, content())
    head = json.loads((path / checkpoint.TREE).read_text()) | {"format": 99}
    (path / checkpoint.TREE).write_text(json.dumps(head))
    with pytest.raises(CheckpointError, match="format 99"):
        checkpoint.load(path)


def test_what_a_killed_run_left_is_ignored_and_cleaned_up(tmp_path: Path) -> None:
    (tmp_path / ".unfinished-step-00000009").mkdir()
    (tmp_path / ".unfinished-step-00000009" / checkpoint.MODEL).write_bytes(b"half")
    assert checkpoint.latest(tmp_path) is None
    checkpoint.save(tmp_path, 1, content())
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000001"]


def test_a_damaged_checkpoint_of_the_same_step_is_replaced(tmp_path: Path) -> None:
    truncate(checkpoint.save(tmp_path, 1, content(1.0)) / checkpoint.MODEL)
    path = checkpoint.save(tmp_path, 1, content(2.0))
    assert same(checkpoint.load(path), content(2.0))


def test_a_full_disk_leaves_the_earlier_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = checkpoint.save(tmp_path, 1, content())

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CheckpointError, match="No space left"):
        checkpoint.save(tmp_path, 2, content())
    assert checkpoint.latest(tmp_path) == good
