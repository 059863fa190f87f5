"""The paper index: what it says, and that its status is read off the source."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from ostinato.core.errors import ArgumentError
from ostinato.papers import PACKAGE, all_papers, find_paper

DIRECTIONS = ("cells", "wrap", "engines", "over", "models", "tasks", "train", "analysis")


def test_all_44_papers_are_described():
    papers = all_papers()
    assert len(papers) == 44
    assert [paper.slug for paper in papers] == sorted(paper.slug for paper in papers)
    for paper in papers:
        assert paper.title
        assert paper.authors
        assert 2013 < paper.year < 2027
        assert re.fullmatch(r"\d{4}\.\d{4,5}", paper.arxiv)
        for place in re.sub(r" \(.*?\)", "", paper.place).split(", "):
            assert place.startswith(DIRECTIONS)
    assert len({paper.arxiv for paper in papers}) == 44


def test_status_is_derived_from_the_files_of_the_package(tmp_path):
    package = tmp_path / "ostinato"
    (package / "cells").mkdir(parents=True)
    (package / "experiments").mkdir()
    (package / "cells" / "cprnn.py").write_text('raise SystemExit\n__papers__ = ("cprnn", "deer")')
    (package / "cells" / "__init__.py").write_text('__papers__ = ("deer",)')
    (package / "experiments" / "deer.py").write_text("")
    found = {paper.slug: paper for paper in all_papers(package)}
    assert found["cprnn"].status == "parts"
    assert found["cprnn"].parts == ("ostinato.cells.cprnn",)
    assert found["deer"].status == "reproduces"
    assert found["deer"].parts == ("ostinato.cells", "ostinato.cells.cprnn")
    assert found["rtrl"].status == "planned"


def test_a_mention_that_is_no_declaration_does_not_count(tmp_path):
    (tmp_path / "cell.py").write_text('def f():\n    __papers__ = ("deer",)\n# __papers__')
    assert find_paper("deer", tmp_path).status == "planned"


def test_files_declare_known_papers_only():
    known = {paper.slug for paper in all_papers()}
    for path in PACKAGE.rglob("*.py"):
        for declared in re.findall(r"^__papers__ = \((.*)\)", path.read_text(), flags=re.M):
            assert set(re.findall(r'"(.+?)"', declared)) <= known, path


def test_the_layer_norm_cells_are_found():
    paper = find_paper("layer-norm")
    assert "ostinato.cells.layer_norm_lstm" in paper.parts
    assert paper.cited == "Ba et al. 2016"
    assert find_paper("commutative-monoids").cited == "Ong & Veličković 2022"


def test_an_unknown_slug_is_answered_with_the_nearest():
    with pytest.raises(ArgumentError, match="Did you mean 'layer-norm'"):
        find_paper("layernorm")


def test_the_index_needs_no_torch():
    code = "import sys, ostinato.papers as p; p.all_papers(); print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
