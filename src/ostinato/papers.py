"""The index of the papers whose systems ostinato covers.

What a paper is, is written in `papers.toml`. What there is of it, is read off the source: a
file that implements a part of a paper says so at module level, `__papers__ = ("layer-norm",)`.
Files are parsed, never imported, so the index answers without torch.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ostinato.core.errors import ArgumentError, nearest

PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class Paper:
    """A published system and what ostinato has of it.

    Attributes:
        slug: its name here and on the command line.
        title: of the paper.
        authors: initials and surname, in the paper's order.
        year: of publication at `venue`, or of the first version on arXiv.
        venue: conference or journal; empty: arXiv only.
        arxiv: the arXiv id.
        place: the packages of ostinato where its parts belong.
        status: "reproduces" if there is an experiment, "parts" if some file implements a part
            of it, else "planned".
        parts: the modules that declare it.
    """

    slug: str
    title: str
    authors: tuple[str, ...]
    year: int
    venue: str
    arxiv: str
    place: str
    status: str
    parts: tuple[str, ...]

    @property
    def cited(self) -> str:
        """Authors and year as in running text, e.g. "Ba et al. 2016"."""
        surnames = [author.rpartition(". ")[2] for author in self.authors]
        short = " & ".join(surnames) if len(surnames) < 3 else f"{surnames[0]} et al."
        return f"{short} {self.year}"


def all_papers(package: Path = PACKAGE) -> tuple[Paper, ...]:
    """Every paper in the order of the slugs, its status read off the files of `package`."""
    entries = tomllib.loads((PACKAGE / "papers.toml").read_text(encoding="utf-8"))
    declared = _declared(package)
    experiments = package / "experiments"
    papers = []
    for slug, entry in entries.items():
        parts = tuple(declared.get(slug, ()))
        reproduced = (experiments / f"{slug.replace('-', '_')}.py").exists()
        status = "reproduces" if reproduced else "parts" if parts else "planned"
        fields = {"venue": "", **entry, "authors": tuple(entry["authors"])}
        papers.append(Paper(slug=slug, status=status, parts=parts, **fields))
    return tuple(papers)


def find_paper(slug: str, package: Path = PACKAGE) -> Paper:
    """The paper called `slug`.

    Raises:
        ArgumentError: if there is none.
    """
    papers = {paper.slug: paper for paper in all_papers(package)}
    if slug not in papers:
        raise ArgumentError(f"No paper is called {slug!r}. {nearest(slug, papers)}")
    return papers[slug]


def _declared(package: Path) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {}
    for path in sorted(package.rglob("*.py")):
        module = ".".join((package.name, *path.relative_to(package).with_suffix("").parts))
        for slug in _slugs(path.read_text(encoding="utf-8")):
            parts.setdefault(slug, []).append(module.removesuffix(".__init__"))
    return parts


def _slugs(source: str) -> Iterator[str]:
    # Parsing every file of the package takes ten times longer than reading it.
    if "__papers__" not in source:
        return
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__papers__":
            yield from ast.literal_eval(node.value)
