"""The log of a run: JSON lines, one object per event, in a file that survives a crash.

    {"step": 12, "loss": 2.5, "learning_rate": 0.004, "gradient_norm": 0.7}
    {"step": 12, "valid": 3.4}

It holds nothing that depends on the clock, so a run that was killed and continued has the same
log as one that was not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from ostinato.core.extras import extra


class Log:
    """Appends events to a file, and to TensorBoard if a folder for it is given.

    Args:
        path: the file of JSON lines; None: nothing is kept, as in all processes but the first.
        after: the step of the checkpoint from which the run continues: later lines, and a line
            that was cut off, are removed. 0 begins a new log.
        tensorboard: folder for event files; None: none.
    """

    def __init__(self, path: Path | None, after: int = 0, tensorboard: Path | None = None):
        if path is not None:
            _truncate(path, after)
        self._file = None if path is None else path.open("a", encoding="utf-8")
        self._writer = None
        if self._file is not None and tensorboard is not None:
            module = extra(
                "torch.utils.tensorboard",
                "tensorboard",
                "--tensorboard",
                "The same numbers are in the file log.jsonl.",
            )
            self._writer = module.SummaryWriter(str(tensorboard), purge_step=after + 1)

    def write(self, step: int, **values: Any) -> None:
        """Append one event of `step`; it is handed to the operating system at once."""
        if self._file is None:
            return
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()
        if self._writer is not None:
            for name, value in values.items():
                if isinstance(value, int | float):
                    self._writer.add_scalar(name, value, step)

    def sync(self) -> None:
        """Wait until everything is on disk: before a checkpoint that relies on it."""
        if self._file is None:
            return
        os.fsync(self._file.fileno())
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Close the files."""
        if self._file is not None:
            self._file.close()
        if self._writer is not None:
            self._writer.close()

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_log(path: Path) -> Iterator[dict[str, Any]]:
    """The events of a log; a last line that was cut off is left out."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                event = json.loads(line)
            except ValueError:
                return
            if not line.endswith("\n") or not isinstance(event, dict):
                return
            yield event


def _truncate(path: Path, after: int) -> None:
    kept = [event for event in read_log(path) if event["step"] <= after] if after else []
    temporary = path.with_name(f".{path.name}.unfinished")
    with temporary.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(event) + "\n" for event in kept)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
