"""Cells of one's own, by file and class, through every command that builds one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.cells.from_file import file_of
from ostinato.core.errors import ArgumentError

EXAMPLE = Path(__file__).parents[2] / "examples" / "coupled_gates.py"
CODE = """
import torch
import ostinato as ost

class Sum(ost.Cell):
    def __init__(self, input_size, hidden_size, scale=1.0):
        super().__init__()
        self.input_size, self.hidden_size, self.scale = input_size, hidden_size, scale
    def initial_state(self, batch_size):
        return self.zeros(batch_size, self.hidden_size)
    def forward(self, x, h):
        h = torch.tanh(h + self.scale * x.sum(-1, keepdim=True))
        return h, h

class Odd(Sum):
    def __init__(self, size):
        super().__init__(size, size)

NOT_A_CELL = 3
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(CODE)
    return tmp_path / "mine.py"


def test_which_names_stand_for_a_file():
    assert file_of("LSTM") is None
    assert file_of("a:b") is None
    assert file_of("a.py:B") == Path("a.py")
    assert file_of("C:\\a.py:B") == Path("C:\\a.py")
    assert file_of("a.py") == Path("a.py")


def test_a_cell_and_its_options(file):
    for name in ("mine.py:Sum", f"{file}:Sum"):
        cell = make_cell(name, 3, 4, scale=0.5)
        assert isinstance(cell, ost.Cell)
        assert (cell.input_size, cell.hidden_size, cell.scale) == (3, 4, 0.5)
    with pytest.raises(ArgumentError, match=r"no option 'scal'.*Did you mean 'scale'"):
        make_cell("mine.py:Sum", 3, 4, scal=1)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.py:Sum", r"none\.py is no file"),
        ("mine.py:Summ", r"'Summ' is not in it\. Write FILE\.py:CLASS\. Did you mean 'Sum'"),
        ("mine.py:NOT_A_CELL", r"'NOT_A_CELL' is no ost\.Cell"),
        ("mine.py", "Known: Odd, Sum"),
        ("mine.py:Odd", r"Odd\(size\) cannot be built with \(input_size, hidden_size\)"),
    ],
)
def test_what_is_wrong_is_said(file, name, words):
    with pytest.raises(ArgumentError, match=words):
        make_cell(name, 3, 4)


@pytest.mark.parametrize("code", ["1 / 0", "import no_such_module", "def"])
def test_a_file_that_fails(file, code):
    file.write_text(code)
    with pytest.raises(
        ArgumentError, match=r"mine\.py could not be run: \w+Error: .*See: python mine"
    ):
        make_cell("mine.py:Sum", 3, 4)


def test_the_example_keeps_the_contract_and_runs_generated():
    cell = make_cell(f"{EXAMPLE}:CoupledGates", 3, 5)
    assert not ost.check_cell(cell).failures
    assert re.search("chosen → fused|no C.. compiler", str(ost.explain(cell, torch.randn(2, 4, 3))))
