"""What a measurement was made on, and whether it had the machine to itself."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import torch

from ostinato import __version__
from ostinato.core.errors import ArgumentError
from ostinato.engines.fused.toolchain import find_compiler

# The instruction sets that decide how fast matrix products and generated code run.
_FEATURES = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")


@dataclass(frozen=True)
class Machine:
    """The header of every report.

    Attributes:
        cpu: model of the processor.
        cores: that this process may use.
        features: instruction sets.
        torch: its version.
        torch_capability: the instruction set that torch chose.
        compiler: version line of the C++ compiler.
        ostinato: its version.
        system: operating system.
        date: of the measurement, UTC.
        device: where the numbers were computed, if not on the processor.
    """

    cpu: str
    cores: int
    features: tuple[str, ...]
    torch: str
    torch_capability: str
    compiler: str
    ostinato: str
    system: str
    date: str
    device: str = ""

    @property
    def slug(self) -> str:
        """A name for a folder, e.g. "amd-epyc-2-cores-avx512"."""
        words = self.device or f"{self.cpu} {self.cores} cores {self.torch_capability}"
        return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def this_machine(device: str = "cpu") -> Machine:
    """The machine that runs this process, and its device.

    Raises:
        ArgumentError: if torch cannot use the device.
    """
    if device.partition(":")[0] not in ("cpu", "cuda"):
        raise ArgumentError(f"--device is {device!r}; it can be cpu or cuda, or cuda:1 of several.")
    if device != "cpu" and not torch.cuda.is_available():
        raise ArgumentError(f"--device is {device!r}, but torch sees no CUDA device. Leave it out.")
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    model = re.search(r"model name\s*: (.*)", text)
    flags = re.search(r"(?:flags|Features)\s*: (.*)", text)
    present = set(flags[1].split()) if flags else set()
    return Machine(
        cpu=model[1] if model else platform.processor() or platform.machine(),
        cores=available_cores(),
        features=tuple(name for name in _FEATURES if name in present),
        torch=torch.__version__,
        torch_capability=torch.backends.cpu.get_cpu_capability(),
        compiler=_compiler(),
        ostinato=__version__,
        system=f"{platform.system()} {platform.machine()}",
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        device="" if device == "cpu" else torch.cuda.get_device_name(device),
    )


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _compiler() -> str:
    command = find_compiler()
    if command is None:
        return "none"
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=30)
    return (done.stdout.splitlines() or [command[0]])[0]


@dataclass(frozen=True)
class CpuClock:
    """Processor seconds spent so far: by everybody, and by this process and its children."""

    everybody: float
    own: float
    wall: float

    @staticmethod
    def now() -> CpuClock | None:
        """The present reading; None where the system does not tell."""
        stat = Path("/proc/stat")
        if not stat.exists():
            return None
        user, nice, system, _, _, irq, softirq, steal = map(
            int, stat.read_text().split("\n", 1)[0].split()[1:9]
        )
        busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
        spent = os.times()
        own = spent.user + spent.system + spent.children_user + spent.children_system
        return CpuClock(busy, own, spent.elapsed)

    def cores_of_others(self, earlier: CpuClock) -> float:
        """How many cores others kept busy since an earlier reading, on average."""
        busy = (self.everybody - earlier.everybody) - (self.own - earlier.own)
        return max(0.0, busy / max(self.wall - earlier.wall, 1e-9))


class Company:
    """How many cores others keep busy from now on."""

    def __init__(self) -> None:
        self._begin = CpuClock.now()

    def cores(self) -> float | None:
        """On average so far; None where the system does not tell."""
        now = CpuClock.now()
        return None if now is None or self._begin is None else now.cores_of_others(self._begin)


def crowded(threads: int, others: float | None) -> bool:
    """Whether threads had to wait for others, so that their time means little.

    A tenth of a core is what an idle system does beside.
    """
    return others is not None and threads + others > available_cores() + 0.1
