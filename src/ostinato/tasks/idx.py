"""The IDX format of MNIST and Fashion-MNIST: two zero bytes, type, rank, sizes, data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ostinato.core.errors import DataError
from ostinato.tasks.text_files import read_bytes

_UNSIGNED_BYTES = 8


def read_idx(path: Path, rank: int) -> npt.NDArray[np.uint8]:
    """The unsigned bytes of an IDX file, raw or .gz, as an array of `rank` dimensions.

    Raises:
        DataError: if the file is not of that type and rank, or shorter or longer than it says.
    """
    content = read_bytes(path)
    expected = bytes([0, 0, _UNSIGNED_BYTES, rank])
    start = 4 + 4 * rank
    if content[:4] != expected or len(content) < start:
        raise DataError(
            f"{path} should be an IDX file of {rank} dimensions, so begin with {expected.hex()}; "
            f"it has {len(content)} bytes and begins with {content[:4].hex() or 'nothing'}."
        )
    shape = tuple(np.frombuffer(content, ">u4", rank, 4).tolist())
    if len(content) - start != np.prod(shape, dtype=np.int64):
        raise DataError(
            f"{path} says that its shape is {shape}, but {len(content) - start} bytes of data "
            "follow. The file is damaged; fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def find_idx(folder: Path, name: str) -> Path:
    """The file `name` in `folder`, e.g. "train-images", spelt with or without .gz.

    Raises:
        DataError: if it is not there.
    """
    found = sorted(folder.glob(f"{name}[-.]idx?-ubyte*"))
    if not found:
        raise DataError(f"{folder} holds no {name}-idx…-ubyte or {name}-idx…-ubyte.gz.")
    return found[0]
