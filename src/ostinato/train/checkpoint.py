"""Checkpoints: a folder that is either complete or not there.

    step-00001234/
      model.safetensors       the weights, under the names of `model.state_dict()`
      training.safetensors    every other tensor: optimizer, carried state, …
      checkpoint.json         format version, digests, and the tree in which all values hang

A checkpoint is written under a temporary name, synced to disk and renamed, so a run that is
killed at any moment leaves whole checkpoints only. It holds numbers and text; reading one
executes nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

from ostinato.core.errors import CheckpointError

FORMAT = 1
MODEL, TRAINING, TREE = "model.safetensors", "training.safetensors", "checkpoint.json"

_NAME = re.compile(r"step-(\d{8,})")
_TEMPORARY = ".unfinished-"


def save(
    folder: Path, step: int, content: Mapping[str, Any], *, keep: int = 2, best: int | None = None
) -> Path:
    """Write the checkpoint of `step`, then drop old ones.

    Args:
        folder: where checkpoints are collected.
        step: optimizer steps done.
        content: dicts, lists and tuples of tensors, numbers, text and None. Tensors under the
            key "model" get a file of their own.
        keep: how many of the latest to keep.
        best: the step of the best one so far, which is kept too.

    Returns:
        The checkpoint's folder.

    Raises:
        CheckpointError: if a value is of another type, or the disk is full.
    """
    path = folder / f"step-{step:08d}"
    try:
        _write(folder, path, content, best)
        _prune(folder, keep, best)
    except OSError as error:
        raise CheckpointError(
            f"the checkpoint {path} could not be written ({error}); earlier ones are untouched. "
            "Make room or choose another --out, then continue with --resume."
        ) from error
    return path


def load(path: Path) -> dict[str, Any]:
    """What `save` was given; tensors on the CPU.

    Raises:
        CheckpointError: if the folder is not a whole checkpoint; it says what is wrong.
    """
    head, files = _read(path)
    tensors = {
        kind: tensors_from_bytes(files[name]) for kind, name in (("m", MODEL), ("t", TRAINING))
    }
    content: dict[str, Any] = _unpack(head["content"], tensors)
    return content


def latest(folder: Path) -> Path | None:
    """The newest whole checkpoint; None if there is none at all.

    A damaged one is named in a warning and the one before it is taken.

    Raises:
        CheckpointError: if there are checkpoints, but every one is damaged.
    """
    problems = []
    for path in reversed(_steps(folder)):
        try:
            _read(path)
        except CheckpointError as error:
            problems.append(str(error))
            continue
        for problem in problems:
            warnings.warn(f"{problem} Using {path.name} instead.", stacklevel=2)
        return path
    if problems:
        raise CheckpointError(
            f"no checkpoint in {folder} is whole: {' '.join(problems)} "
            "Start again with --overwrite or another --out."
        )
    return None


def best(folder: Path) -> Path | None:
    """The checkpoint with the best score according to the newest one; None if none has a score."""
    newest = latest(folder)
    if newest is None:
        return None
    step = _read(newest)[0]["best"]
    return None if step is None else folder / f"step-{step:08d}"


def step_of(path: Path) -> int:
    """The optimizer steps done when the checkpoint was written."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise CheckpointError(f"{path} is not named like a checkpoint, step-00001234.")
    return int(match[1])


def _steps(folder: Path) -> list[Path]:
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted((p for p in found if _NAME.fullmatch(p.name)), key=step_of)


def _write(folder: Path, path: Path, content: Mapping[str, Any], best: int | None) -> None:
    tensors: dict[str, dict[str, Tensor]] = {"m": {}, "t": {}}
    tree = _pack(dict(content), "", tensors)
    files = {MODEL: tensors_to_bytes(tensors["m"]), TRAINING: tensors_to_bytes(tensors["t"])}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    head = {"format": FORMAT, "best": best, "sha256": digests, "content": tree}
    files[TREE] = json.dumps(head, ensure_ascii=False, indent=1).encode()
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{_TEMPORARY}{path.name}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    for name, data in files.items():
        _write_synced(unfinished / name, data)
    _sync_folder(unfinished)
    if path.exists():
        _remove(path)
    unfinished.rename(path)
    _sync_folder(folder)


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """A rename survives a power cut only if the folder itself reached the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _prune(folder: Path, keep: int, best: int | None) -> None:
    for path in _steps(folder)[:-keep]:
        if step_of(path) != best:
            _remove(path)
    for left_over in folder.glob(f"{_TEMPORARY}*"):
        shutil.rmtree(left_over)


def _remove(path: Path) -> None:
    """Rename first: a half-deleted folder must not look like a checkpoint."""
    doomed = path.with_name(f"{_TEMPORARY}removed-{path.name}")
    shutil.rmtree(doomed, ignore_errors=True)
    path.rename(doomed)
    shutil.rmtree(doomed)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The head and the files' bytes, after all checks."""
    try:
        head = json.loads((path / TREE).read_bytes())
        files = {name: (path / name).read_bytes() for name in (MODEL, TRAINING)}
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}.") from error
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        found = head.get("format") if isinstance(head, dict) else None
        raise CheckpointError(
            f"{path} has format {found!r}, this version of ostinato reads format {FORMAT}."
        )
    for name, data in files.items():
        if hashlib.sha256(data).hexdigest() != head.get("sha256", {}).get(name):
            raise CheckpointError(f"{path} is damaged: {name} does not have its sha256.")
    return head, files


def _pack(value: Any, place: str, tensors: dict[str, dict[str, Tensor]]) -> Any:
    """The value as JSON; tensors are collected by file, and named by their place."""
    if isinstance(value, Tensor):
        kind, name = ("m", place[6:]) if place.startswith("model.") else ("t", place)
        # a copy: two names may share memory, which safetensors refuses
        tensors[kind][name] = value.detach().to("cpu", copy=True).contiguous()
        return {"$tensor": [kind, name]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if type(value) is list:
        return [_pack(v, _join(place, i), tensors) for i, v in enumerate(value)]
    if type(value) is tuple:
        return {"$tuple": [_pack(v, _join(place, i), tensors) for i, v in enumerate(value)]}
    if isinstance(value, Mapping):
        items = [[k, _pack(v, _join(place, k), tensors)] for k, v in value.items()]
        plain = all(isinstance(k, str) and not k.startswith("$") for k in value)
        return dict(items) if plain else {"$items": items}
    raise CheckpointError(
        f"{place or 'the content'} is a {type(value).__name__}; a checkpoint holds tensors, "
        "numbers, text, None, and dicts, lists and tuples of them."
    )


def _join(place: str, key: Any) -> str:
    return f"{place}.{key}" if place else str(key)


def _unpack(node: Any, tensors: dict[str, dict[str, Tensor]]) -> Any:
    if isinstance(node, list):
        return [_unpack(v, tensors) for v in node]
    if not isinstance(node, dict):
        return node
    match node:
        case {"$tensor": [kind, name]}:
            return tensors[kind][name]
        case {"$tuple": values}:
            return tuple(_unpack(v, tensors) for v in values)
        case {"$items": items}:
            return {k: _unpack(v, tensors) for k, v in items}
    return {k: _unpack(v, tensors) for k, v in node.items()}
