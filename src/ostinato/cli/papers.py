"""`ostinato papers`: the paper index."""

from __future__ import annotations

import json as jsonlib
import sys
from collections import Counter
from dataclasses import asdict

from ostinato.core.extras import extra
from ostinato.papers import Paper, all_papers, find_paper

_STYLE = {"reproduces": "green", "parts": "yellow", "planned": "dim"}


def papers(slug: str | None = None, *, json: bool = False) -> None:
    """List the papers, where their parts live and what was reproduced.

    Args:
        slug: show this paper only, with all that is known of it.
        json: print JSON.
    """
    chosen = all_papers() if slug is None else (find_paper(slug),)
    if json:
        print(jsonlib.dumps([asdict(paper) for paper in chosen], indent=2, ensure_ascii=False))
    elif slug is None:
        _print_table(chosen)
    else:
        _print_paper(chosen[0])


def _print_table(chosen: tuple[Paper, ...]) -> None:
    # Not on a terminal, rich would squeeze the table into 80 columns.
    width = None if sys.stdout.isatty() else 140
    console = extra("rich.console", "cli", "The table of papers").Console(width=width)
    table = extra("rich.table", "cli", "The table of papers").Table(box=None, header_style="bold")
    for heading in ("slug", "status", "paper", "arXiv", "place"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("slug", "status", "arXiv"))
    for paper in chosen:
        style = _STYLE[paper.status]
        table.add_row(paper.slug, f"[{style}]{paper.status}", paper.cited, paper.arxiv, paper.place)
    console.print(table)
    counts = Counter(paper.status for paper in chosen)
    told = ", ".join(f"{counts[status]} {status}" for status in _STYLE)
    console.print(f"\n{len(chosen)} papers: {told}", highlight=False)


def _print_paper(paper: Paper) -> None:
    print(paper.title)
    print(", ".join(paper.authors))
    print(", ".join(filter(None, (paper.venue, str(paper.year), f"arXiv {paper.arxiv}"))))
    print(f"place:  {paper.place}")
    print(f"status: {paper.status}")
    for part in paper.parts:
        print(f"  {part}")
    if paper.status == "reproduces":
        print(f"run it: ostinato reproduce {paper.slug}")
