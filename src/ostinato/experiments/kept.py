"""Parts of an experiment, each in a file once it is measured, so that a run can be gone on with.

A part is taken up only by the run that it was a part of: same paper, scale, seeds and data, and the
same source of this package.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import ostinato
from ostinato.core.errors import DataError
from ostinato.experiments.experiment import Claim, Curve, Measurement, Panel
from ostinato.experiments.report import write

_SOURCES = (".py", ".cpp", ".h")


class Kept:
    """The parts in a folder; called with a name and what measures it.

    Args:
        folder: where they lie, a file for each.
        claims: of the experiment.
        run: what a run is told apart by, e.g. its scale; the source is added.
        resume: whether the parts that lie there are taken; else the first part that is measured
            takes the place of all of them.

    Raises:
        DataError: if a file to be taken cannot be read, or belongs to another run.
    """

    def __init__(
        self, folder: Path, claims: Iterable[Claim], run: Mapping[str, Any], resume: bool
    ) -> None:
        self.folder, self.run = folder, {**run, "source": source_digest()}
        self._claims = {claim.text: claim for claim in claims}
        # All at once: a file that is of no use is told before minutes of measuring, not after.
        paths = sorted(folder.glob("*.json")) if resume else ()
        self._found = {path.stem: self._read(path) for path in paths}
        self._begun = resume

    def __call__(self, name: str, measure: Callable[[], Measurement]) -> Measurement:
        """A part that is kept; or measure and keep it."""
        if name in self._found:
            print(f"{name}: taken from {self._path(name)}", file=sys.stderr)
            return self._found[name]
        measured = measure()
        values = {claim.text: list(found) for claim, found in measured.values.items()}
        panels = [asdict(panel) for panel in measured.panels]
        stored = {"run": self.run, "values": values, "panels": panels}
        self._begin()
        # Places on a curve may be a range.
        write(self._path(name), json.dumps(stored, default=list, indent=1).encode())
        return measured

    def _begin(self) -> None:
        """Make the folder, without the parts of a run that this one takes the place of."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._begun:
            for path in self.folder.glob("*.json"):
                path.unlink()
        self._begun = True

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _read(self, path: Path) -> Measurement:
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            run, values = dict(stored["run"]), dict(stored["values"])
            panels = [
                Panel(each["x_label"], each["y_label"], [Curve(**c) for c in each["curves"]])
                for each in stored["panels"]
            ]
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(
                f"{path} holds no part of an experiment: {error!r}. Remove it, and --resume "
                "measures that part again."
            ) from error
        differing = [name for name, value in self.run.items() if run.get(name) != value]
        if differing:
            told = "; ".join(f"{n} was {run.get(n)!r}, is {self.run[n]!r}" for n in differing)
            raise DataError(
                f"{path} is part of another run: {told}. Leave --resume out to measure all parts "
                "again, or name another folder with --out."
            )
        return Measurement({self._claims[text]: each for text, each in values.items()}, panels)


def source_digest() -> str:
    """What tells one state of this package's source from another."""
    root, digest = Path(ostinato.__file__).parent, sha256()
    for path in sorted(path for path in root.rglob("*") if path.suffix in _SOURCES):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]
