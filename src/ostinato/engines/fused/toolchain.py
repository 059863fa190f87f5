"""Compile generated C++ and load it; objects are cached on disk.

The compiler is $CXX, else the first of c++, g++ and clang++ that is found, else the package
`ziglang` if it is installed. The cache lies in $OSTINATO_CACHE, or under $XDG_CACHE_HOME, or in
~/.cache/ostinato; an object is keyed by its source, the compiler, the flags and the processor.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from ostinato.core.errors import EngineError

HEADERS = Path(__file__).parent
FLAGS = (
    "-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fPIC", "-shared", "-w",
)  # fmt: skip
_TIMEOUT = 120


@cache
def find_compiler() -> tuple[str, ...] | None:
    """The command of a C++ compiler, or None."""
    named = os.environ.get("CXX")
    candidates = [shlex.split(named)] if named else [[name] for name in ("c++", "g++", "clang++")]
    for command in candidates:
        if shutil.which(command[0]):
            return tuple(command)
    if not named and importlib.util.find_spec("ziglang"):
        return (sys.executable, "-m", "ziglang", "c++")
    return None


def load(source: str, flags: tuple[str, ...] = FLAGS) -> ctypes.CDLL:
    """Compile a translation unit, or take it from the cache, and load it.

    Raises:
        EngineError: if there is no compiler, it fails, or the cache cannot be used.
    """
    compiler = find_compiler()
    if compiler is None:
        raise EngineError(no_compiler())
    path = _cache_folder() / f"{_key(source, compiler, flags)}.so"
    if path.exists():
        try:
            return ctypes.CDLL(str(path))
        except OSError:
            # A truncated or foreign object: build it anew.
            path.unlink(missing_ok=True)
    _compile(source, compiler, flags, path)
    return ctypes.CDLL(str(path))


def no_compiler() -> str:
    """What to do without a compiler."""
    named = os.environ.get("CXX")
    looked = f"$CXX = {named!r}" if named else "c++, g++, clang++ and the package ziglang"
    return (
        f"no C++ compiler was found (looked for {looked}); install one, e.g. "
        "'apt-get install g++' or 'pip install ziglang'"
    )


def _compile(source: str, compiler: tuple[str, ...], flags: tuple[str, ...], path: Path) -> None:
    """Write the object under a name of its own and rename it, so that none is ever half there."""
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".build-") as folder:
            unit, built = Path(folder) / "unit.cpp", Path(folder) / "unit.so"
            unit.write_text(source, encoding="utf-8")
            command = [*compiler, *flags, f"-I{HEADERS}", str(unit), "-o", str(built)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT)
            if done.returncode:
                raise EngineError(f"{compiler[0]} failed: {_first_error(done.stderr)}")
            os.replace(built, path)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"generated code could not be compiled: {error}") from error


def _first_error(output: str) -> str:
    lines = output.strip().splitlines()
    return next((line for line in lines if "error" in line), lines[-1] if lines else "no message")


def _key(source: str, compiler: tuple[str, ...], flags: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for part in (source, _headers(), " ".join((*compiler, *flags)), _version(compiler), _cpu()):
        digest.update(part.encode())
    return digest.hexdigest()[:32]


@cache
def _headers() -> str:
    return "".join((HEADERS / name).read_text() for name in ("vector.h", "matmul.h"))


@cache
def _version(compiler: tuple[str, ...]) -> str:
    try:
        done = subprocess.run([*compiler, "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"the compiler {compiler[0]} does not answer: {error}") from error
    return done.stdout


@cache
def _cpu() -> str:
    """What the processor can do: code for one machine must not run on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()} {features or platform.processor()}"


def _cache_folder() -> Path:
    """The folder of the cache, made if need be.

    Raises:
        EngineError: if it cannot be written, or others could put objects into it.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("OSTINATO_CACHE") or Path(base) / "ostinato")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        raise EngineError(f"the cache {folder} cannot be made: {error}") from error
    if hasattr(os, "getuid"):
        theirs = status.st_uid not in (os.getuid(), 0)
        if theirs or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise EngineError(
                f"the cache {folder} can be written by others, who could put code into it; "
                "chmod it to 700, or set OSTINATO_CACHE to a folder of your own"
            )
    if not os.access(folder, os.W_OK):
        raise EngineError(f"the cache {folder} cannot be written; set OSTINATO_CACHE")
    return folder
