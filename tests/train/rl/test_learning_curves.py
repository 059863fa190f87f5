from __future__ import annotations

import csv

import numpy as np
import pytest

from ostinato.core.errors import ArgumentError
from ostinato.train.log import Log
from ostinato.train.rl.learning_curves import LearningCurves


def test_scores_are_means_of_their_share_of_the_steps():
    curves = LearningCurves.of_points([[(0, 0.0), (1, 2.0), (9, 4.0), (10, 6.0)]], points=2)
    assert curves.steps.tolist() == [2.5, 7.5]
    assert curves.scores.tolist() == [[1, 5]]


def test_where_nothing_was_scored_the_curve_is_straight():
    run = [(step, 2.0 * step) for step in (0, 40, 100)]
    curves = LearningCurves.of_points([run], points=100)
    empty = [not any(abs(step - each) <= 0.5 for step in (0, 40, 100)) for each in curves.steps]
    np.testing.assert_allclose(curves.scores[0, empty], 2 * curves.steps[empty])


def test_only_steps_that_all_runs_reached():
    runs = [[(0, 1.0), (50, 1.0), (100, 1.0)], [(20, 3.0), (60, 3.0)]]
    curves = LearningCurves.of_points(runs, points=4)
    assert curves.steps.tolist() == [25, 35, 45, 55]
    assert curves.scores.tolist() == [[1] * 4, [3] * 4]
    with pytest.raises(ArgumentError, match="last begins at step 20 and the first ends at 10"):
        LearningCurves.of_points([[(0, 1.0), (10, 1.0)], [(20, 3.0), (60, 3.0)]])


def test_logs_become_a_table_and_a_picture(tmp_path):
    for run in range(3):
        with Log(tmp_path / f"{run}.jsonl") as log:
            for step in range(1, 11):
                log.write(step, loss=1.0)
                log.write(step, score=float(step * run))
    logs = sorted(tmp_path.glob("*.jsonl"))
    curves = LearningCurves.of_logs(logs, "score", points=9)
    curves.write_table(tmp_path / "curves.csv")
    with (tmp_path / "curves.csv").open() as file:
        first, *rows = csv.reader(file)
    assert first == ["step", "mean", "least", "largest", "run 1", "run 2", "run 3"]
    assert [float(each) for each in rows[0]] == [1.5, 1, 0, 2, 0, 1, 2]
    pytest.importorskip("matplotlib")
    curves.draw(tmp_path / "curves.png", "return", "maze")
    assert (tmp_path / "curves.png").read_bytes()[1:4] == b"PNG"
    assert len(list(tmp_path.iterdir())) == 5
    with pytest.raises(ArgumentError, match=r"0.jsonl has no event with 'return'"):
        LearningCurves.of_logs(logs, "return")
