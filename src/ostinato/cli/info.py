"""`ostinato info`: what this installation can do."""

from __future__ import annotations

import json as jsonlib
import os
import platform
import re
import shutil
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ostinato import __version__

# The instruction sets that decide how fast generated code runs.
_FEATURES = ("avx2", "fma", "f16c", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "asimd")


def info(*, json: bool = False) -> None:
    """Show versions, hardware, compiler and engines.

    Args:
        json: print JSON.
    """
    facts = {
        "versions": _versions(),
        "extras": _extras(),
        "cpu": _cpu(),
        "cuda": _cuda(),
        "compilers": _compilers(),
        "engines": _engines(),
        "tuned": _tuned(),
    }
    if json:
        print(jsonlib.dumps(facts, indent=2))
        return
    for section, content in facts.items():
        print(section)
        for name, value in content.items() or [("none", "")]:
            print(f"  {name:12} {value}".rstrip())


def _versions() -> dict[str, str]:
    packages = ("torch", "numpy", "safetensors", "triton")
    versions = {name: _version(name) or "not installed" for name in packages}
    return {"ostinato": __version__, "python": platform.python_version(), **versions}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _extras() -> dict[str, str]:
    packages: dict[str, list[str]] = {}
    for extra, package in _requirements():
        packages.setdefault(extra, []).append(package)
    # The extra "all" repeats the others.
    return {extra: _told(extra, names) for extra, names in packages.items() if extra != "all"}


def _requirements() -> Iterator[tuple[str, str]]:
    for line in metadata.requires("ostinato") or []:
        extra = re.search(r"extra == ['\"](\w+)['\"]", line)
        package = re.match(r"[\w.-]+", line)
        if extra and package:
            yield extra[1], package[0]


def _told(extra: str, packages: list[str]) -> str:
    versions = {package: _version(package) for package in packages}
    if None in versions.values():
        missing = ", ".join(name for name, version in versions.items() if version is None)
        return f"{missing} missing: pip install 'ostinato[{extra}]'"
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _cpu() -> dict[str, Any]:
    import torch

    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"model name\s*: (.*)", text)
    flags = re.search(r"(?:flags|Features)\s*: (.*)", text)
    present = set(flags[1].split()) if flags else set()
    return {
        "model": model[1] if model else platform.processor() or platform.machine(),
        "features": " ".join(name for name in _FEATURES if name in present),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory": f"{_memory() / 2**30:.1f} GiB",
    }


def _memory() -> int:
    if not hasattr(os, "sysconf"):
        return 0
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _cuda() -> dict[str, str]:
    import torch

    devices = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return {
        f"cuda:{i}": f"{device.name}, {device.total_memory / 2**30:.0f} GiB"
        for i, device in enumerate(devices)
    }


def _compilers() -> dict[str, str]:
    names = filter(None, (os.environ.get("CXX"), "c++", "g++", "clang++"))
    found = {name: path for name in names if (path := shutil.which(name))}
    if find_spec("ziglang"):
        found["ziglang"] = f"package {_version('ziglang')}"
    return found


def _engines() -> dict[str, str]:
    from ostinato.core.registry import engines

    return {name: engine.summary for name, engine in engines().items()}


def _tuned() -> dict[str, str]:
    """What was found by measurement on devices."""
    from ostinato.engines.tuned import stored

    return {device: f"{count} choices measured" for device, count in stored().items()}
