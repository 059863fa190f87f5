"""Sphinx configuration; the paper index is made from what is registered."""

from pathlib import Path

from ostinato import __version__
from ostinato.papers import all_papers

project = "ostinato"
copyright = "The ostinato developers"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "ostinato"
exclude_patterns = ["_build", "_papers.md"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False


def write_paper_index(_app: object) -> None:
    rows = "\n".join(
        f"| [{paper.title}](https://arxiv.org/abs/{paper.arxiv}), {paper.cited} | `{paper.slug}` "
        f"| {paper.place} | {paper.status} | {', '.join(f'`{part}`' for part in paper.parts)} |"
        for paper in all_papers()
    )
    head = "| paper | slug | place | status | parts |\n|---|---|---|---|---|\n"
    (Path(__file__).parent / "_papers.md").write_text(head + rows + "\n", encoding="utf-8")


def setup(app: object) -> None:
    app.connect("builder-inited", write_paper_index)  # type: ignore[attr-defined]
