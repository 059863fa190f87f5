"""The table of iterations of Newton's method."""

from __future__ import annotations

import pytest

from ostinato.bench import newton_iterations
from ostinato.bench.newton_iterations import FORMS, cell, main
from ostinato.engines.parallel.newton import Outcome, Solve


def test_what_is_not_solved_is_told_by_its_smallest_residual():
    solved = Solve(Outcome.CONVERGED, (1.0, 0.1, 1e-9))
    capped = Solve(Outcome.CAP, (1.0, 0.02, 0.5))
    assert cell([solved, capped, solved]) == "2, – (2e-02), 2"


def test_the_table_has_a_line_for_each_form_and_a_column_for_each_gain(capsys, monkeypatch):
    chosen = ("`full`", "`quasi`", "ω = 0.5")
    monkeypatch.setattr(newton_iterations, "FORMS", {name: FORMS[name] for name in chosen})
    main(["--units", "3", "--steps", "20", "--gains", "0.3,0.9", "--seeds", "1"])
    head, rule, *rows = [
        [part.strip() for part in line.strip("|").split("|")]
        for line in capsys.readouterr().out.splitlines()
    ]
    assert head == ["3 units, 20 steps; gain", "0.3", "0.9"]
    assert rule == ["---"] * 3
    assert [row[0] for row in rows] == list(chosen)
    full, quasi, halved = (int(row[1]) for row in rows)
    # Half of every correction leaves half of the error: 27 halvings for eight digits.
    assert full < quasi < 20 < halved < 29


def test_lines_are_chosen_by_their_names(monkeypatch):
    monkeypatch.setattr(newton_iterations, "solve", lambda *_, **options: options)
    monkeypatch.setattr(newton_iterations, "cell", lambda found: str(found[0].get("smooth")))
    _, _, *rows = newton_iterations.lines(1, 1, [1.0], 1, "smoother")
    assert len(rows) == 3
    assert all(row.startswith("| smoother, ") and row.endswith("| True |") for row in rows)


def test_options_of_newton_are_checked():
    with pytest.raises(ValueError, match="tolerance must be a number above 0"):
        main(["--units", "2", "--steps", "3", "--tolerance", "-1"])
