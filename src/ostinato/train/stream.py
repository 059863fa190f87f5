"""Bytes as they come: from a pipe until it is closed, or from a file, also while it grows."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ostinato.core.errors import DataError

_CHUNK, _WAIT = 2**16, 0.1


class Stream:
    """A pipe or a file, read line by line.

    Args:
        path: of the file; None: standard input.
        position: bytes of the file to skip, for they were read before.
        follow: wait for more at the end of the file.
        stop: asked while waiting; true ends the stream.

    Raises:
        DataError: if the file cannot be read, or is shorter than `position`.
    """

    def __init__(
        self, path: Path | None, position: int, follow: bool, stop: Callable[[], bool]
    ) -> None:
        self.path, self.follow, self.stop = path, follow, stop
        if path is None:
            self._file = 0
            return
        try:
            self._file = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error}.") from error
        if os.fstat(self._file).st_size < position:
            raise DataError(
                f"{path} is shorter than the {position:,} bytes that were read of it: it is "
                "another file. Begin a new run with another --out, or --overwrite this one."
            )
        os.lseek(self._file, position, os.SEEK_SET)

    def pieces(self, size: int) -> Iterator[bytes]:
        """Lines with their end, in pieces of at most `size` bytes; a last line may have no end."""
        pending = b""
        while chunk := self._read():
            *whole, pending = (pending + chunk).split(b"\n")
            for line in whole:
                yield from _cut(line + b"\n", size)
        # What is followed may go on within this line, after the next start.
        if not self.follow:
            yield from _cut(pending, size)

    def _read(self) -> bytes:
        """The next bytes; none: there will be no more."""
        while not self.stop():
            if self.path is None and not select.select([self._file], [], [], _WAIT)[0]:
                continue
            chunk = os.read(self._file, _CHUNK)
            if chunk or not self.follow:
                return chunk
            time.sleep(_WAIT)
        return b""


def _cut(line: bytes, size: int) -> Iterator[bytes]:
    for begin in range(0, len(line), size):
        yield line[begin : begin + size]
