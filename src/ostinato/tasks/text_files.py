"""Reading text from files and folders, and the source text of the standard library."""

from __future__ import annotations

import gzip
import lzma
import os
import sysconfig
import zlib
from hashlib import md5
from pathlib import Path

from ostinato.core.errors import DataError

_UNPACK = {".gz": gzip.decompress, ".xz": lzma.decompress}
_NOT_SOURCE = {
    "__pycache__",
    "encodings",
    "idle_test",
    "lib2to3",
    "pydoc_data",
    "site-packages",
    "test",
    "tests",
}


def read_bytes(path: Path) -> bytes:
    """The content of a file, unpacked if its name ends in .gz or .xz.

    Raises:
        DataError: if the file cannot be read or unpacked.
    """
    try:
        return _UNPACK.get(path.suffix, bytes)(path.read_bytes())
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, unpacked if its name ends in .gz or .xz.

    Raises:
        DataError: if a byte is not UTF-8; it names the byte's offset and line.
    """
    content = read_bytes(path)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path} is not UTF-8: byte 0x{content[error.start]:02x} at offset {error.start}, "
            f"line {line} ({error.reason}). Convert the file to UTF-8, or leave it out."
        ) from error


def text_files(path: str, pattern: str) -> list[Path]:
    """`path` itself if it is a file, or else the files below it that match the glob `pattern`.

    The files of a folder come in the order of a hash of their names: the same on every machine,
    and its last part is a sample of the whole, where alphabetic order would hold out one corner.

    Raises:
        DataError: if there is no such file or folder, or nothing in it matches.
    """
    root = Path(path).expanduser()
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise DataError(f"There is no file or folder {str(root)!r}.")
    files = [file for file in root.glob(pattern) if file.is_file()]
    if not files:
        raise DataError(f"No file in {str(root)!r} matches {pattern!r}; choose another pattern.")
    return sorted(files, key=lambda file: (_digest(file), str(file.relative_to(root))))


def standard_library() -> tuple[list[Path], list[Path]]:
    """The Python source files of the standard library, without tests, data and generated files.

    Returns:
        The files to train on and the held-out files: those whose md5 of the file name starts with
        a byte below 13, about 5 %. A file keeps its side when others come and go.

    Raises:
        DataError: if this Python came without the source of its library.
    """
    root = sysconfig.get_paths()["stdlib"]
    files: list[Path] = []
    for folder, below, names in os.walk(root):
        # Pruned in place: os.walk then neither enters nor lists what is left out.
        below[:] = sorted(name for name in below if name not in _NOT_SOURCE)
        files += [Path(folder, name) for name in sorted(names) if name.endswith(".py")]
    held_out = [file for file in files if _digest(file)[0] < 13]
    if not held_out:
        raise DataError(
            f"This Python has no source files of its library in {root!r}; "
            "name a text file or a folder with path=."
        )
    return [file for file in files if _digest(file)[0] >= 13], held_out


def _digest(file: Path) -> bytes:
    return md5(file.name.encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()
