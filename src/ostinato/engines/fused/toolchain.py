"""Compile generated C++ and load it; objects are cached on disk.

The compiler is $CXX, else the first of c++, g++ and clang++ that is found, else the package
`ziglang` if it is installed. $OSTINATO_CXXFLAGS is added to the flags; $CXXFLAGS is not, because
environments set it for packages that must run on any machine. The cache lies in $OSTINATO_CACHE,
or under $XDG_CACHE_HOME, or in ~/.cache/ostinato. An object is named by a key, made of its source,
the compiler, the flags and the processor, and by the digest of its content. Beyond a bound the
objects that were not loaded for the longest time are removed.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from ostinato.core.errors import EngineError

HEADERS = Path(__file__).parent
FLAGS = (
    "-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fPIC", "-shared", "-w",
)  # fmt: skip
_TIMEOUT = 120
_MOST_OBJECTS, _MOST_BYTES = 500, 2**30
_ABANDONED = 3600  # seconds after which nobody can still be compiling in a folder


@cache
def find_compiler() -> tuple[str, ...] | None:
    """The command of a C++ compiler, or None."""
    named = _words("CXX")
    candidates = [named] if named else [["c++"], ["g++"], ["clang++"]]
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
    flags = (*flags, *_words("OSTINATO_CXXFLAGS"))
    folder, key = cache_folder(), _key(source, compiler, flags)
    try:
        return _cached(folder, key) or _compile(source, compiler, flags, folder, key)
    except OSError as error:
        raise EngineError(f"generated code could not be compiled and loaded: {error}") from error


def no_compiler() -> str:
    """What to do without a compiler."""
    named = os.environ.get("CXX")
    looked = f"$CXX = {named!r}" if named else "c++, g++, clang++ and the package ziglang"
    return (
        f"no C++ compiler was found (looked for {looked}); install one, e.g. "
        "'apt-get install g++' or 'pip install ziglang'"
    )


def _words(variable: str) -> list[str]:
    """The words of an environment variable; what cannot be taken apart is one word."""
    value = os.environ.get(variable, "")
    try:
        return shlex.split(value)
    except ValueError:
        return [value]


def _cached(folder: Path, key: str) -> ctypes.CDLL | None:
    """The object of a key; what was damaged is never loaded, since that could end the process."""
    for path in folder.glob(f"{key}-*.so"):
        # Another process may remove it at any moment, which is as if it had never been there.
        with suppress(FileNotFoundError):
            os.utime(path)
            if path.stem == f"{key}-{_digest(path)}":
                return _opened(path)
            path.unlink()
    return None


def _opened(path: Path) -> ctypes.CDLL:
    """The object of a path, or FileNotFoundError, which ctypes does not tell from other errors."""
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        path.stat()
        raise


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _compile(
    source: str, compiler: tuple[str, ...], flags: tuple[str, ...], folder: Path, key: str
) -> ctypes.CDLL:
    """Write the object under a name of its own and rename it, so that none is ever half there.

    It is loaded before it gets its name, since from then on another process may remove it.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".build-") as build:
        unit, built = Path(build) / "unit.cpp", Path(build) / "unit.so"
        unit.write_text(source, encoding="utf-8")
        code, output = _run([*compiler, *flags, f"-I{HEADERS}", str(unit), "-o", str(built)])
        if code:
            reason = _first_error(output) if code > 0 else f"it was killed by signal {-code}"
            raise EngineError(f"{compiler[0]} failed: {reason}")
        library = ctypes.CDLL(str(built))
        path = folder / f"{key}-{_digest(built)}.so"
        os.replace(built, path)
    _trim(folder, path)
    _sweep(folder)
    return library


def _trim(folder: Path, newest: Path) -> None:
    """Remove the objects that were not loaded for the longest time.

    Other processes may do the same: what they have loaded stays in their memory, and what they
    miss they compile again.
    """
    objects = []
    for path in folder.glob("*.so"):
        with suppress(FileNotFoundError):
            status = path.stat()
            objects.append((path == newest, status.st_mtime, status.st_size, path))
    total = 0
    for count, (_, _, size, path) in enumerate(sorted(objects, reverse=True), start=1):
        total += size
        if count > _MOST_OBJECTS or (total > _MOST_BYTES and path != newest):
            path.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove the folders of processes that were killed while they compiled."""
    for build in folder.glob(".build-*"):
        with suppress(FileNotFoundError):
            if time.time() - build.stat().st_mtime > _ABANDONED:
                shutil.rmtree(build, ignore_errors=True)


def _run(command: list[str]) -> tuple[int, str]:
    """Exit status and output of a compiler; one that hangs is stopped with all its children.

    Raises:
        EngineError: if it takes too long.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=_TIMEOUT)
        except subprocess.TimeoutExpired as error:
            _kill(process)
            raise EngineError(f"{command[0]} did not end within {_TIMEOUT} s") from error
        except BaseException:
            _kill(process)
            raise
    return process.returncode, output


def _kill(process: subprocess.Popen[str]) -> None:
    """A driver's children hold its pipes open, so they have to end with it."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def _first_error(output: str) -> str:
    lines = output.strip().splitlines()
    return next((line for line in lines if "error" in line), lines[-1] if lines else "no message")


def _key(source: str, compiler: tuple[str, ...], flags: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for part in (source, _headers(), *compiler, *flags, _version(compiler), _cpu()):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:32]


@cache
def _headers() -> str:
    return "".join(
        (HEADERS / name).read_text(encoding="utf-8") for name in ("vector.h", "matmul.h", "team.h")
    )


@cache
def _version(compiler: tuple[str, ...]) -> str:
    """What a compiler says about itself: another version may generate other code."""
    return _run([*compiler, "--version"])[1]


@cache
def _cpu() -> str:
    """What the processor can do: code for one machine must not run on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()} {features or platform.processor()}"


def cache_folder() -> Path:
    """The folder of the cache, made if need be.

    Raises:
        EngineError: if it cannot be written, or others could put objects into it.
    """
    try:
        folder = _cache_path()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except (OSError, RuntimeError) as error:
        raise EngineError(
            f"the cache of compiled code cannot be made: {error}; set OSTINATO_CACHE to a folder "
            "of your own"
        ) from error
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


def _cache_path() -> Path:
    named, base = os.environ.get("OSTINATO_CACHE"), os.environ.get("XDG_CACHE_HOME")
    if named:
        return Path(named).expanduser()
    return (Path(base) if base else Path.home() / ".cache") / "ostinato"
