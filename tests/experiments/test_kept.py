"""Parts of an experiment that are kept."""

from __future__ import annotations

import json
import math

import pytest

from ostinato.core.errors import DataError
from ostinato.experiments.experiment import Claim, Curve, Experiment, Measurement, Panel
from ostinato.experiments.kept import Kept, source_digest

FIRST, SECOND = Claim("first", "1", at_least=0), Claim("second", "2", at_least=0)
RUN = {"scale": "small", "seeds": 2}


def measuring(claim, calls):
    def measure(scale, seeds, track):
        calls.append(claim.text)
        if scale == claim.text:
            raise RuntimeError("the machine is switched off")
        curves = [Curve("c", range(0, 4, 2), [[1.0, math.inf]] * seeds)]
        return Measurement({claim: [0.1 + 0.2] * seeds}, [Panel("x", claim.text, curves)])

    return measure


def experiment(calls, scale=""):
    parts = {claim.text: measuring(claim, calls) for claim in (FIRST, SECOND)}
    return Experiment("deer", "title", (FIRST, SECOND), {"small": scale}, parts)


def kept(folder, resume=True, **other):
    return Kept(folder, (FIRST, SECOND), RUN | other, resume)


def test_a_run_that_was_ended_goes_on_with_the_parts_that_are_missing(tmp_path, capsys):
    calls = []
    with pytest.raises(RuntimeError, match="switched off"):
        experiment(calls, "second").run(seeds=2, keep=kept(tmp_path))
    assert calls == ["first", "second"]
    result = experiment(calls).run(seeds=2, keep=kept(tmp_path))
    assert calls == ["first", "second", "second"]
    assert f"first: taken from {tmp_path / 'first.json'}" in capsys.readouterr().err
    whole = experiment(calls).run(seeds=2)
    assert result.rows == whole.rows
    # A range of places comes back as a list.
    assert [list(panel.curves[0].x) for panel in result.panels] == [[0, 2]] * 2
    assert [p.curves[0].runs for p in result.panels] == [p.curves[0].runs for p in whole.panels]


def test_unasked_all_parts_are_measured_again(tmp_path):
    calls = []
    for _ in range(2):
        experiment(calls).run(seeds=2, keep=kept(tmp_path, resume=False))
    assert calls == 2 * ["first", "second"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.json", "second.json"]


def test_a_run_begun_anew_goes_on_in_the_folder_of_another(tmp_path):
    experiment([]).run(seeds=2, keep=kept(tmp_path))
    calls, other = [], {"seeds": 3}
    with pytest.raises(RuntimeError, match="switched off"):
        experiment(calls, "first").run(seeds=3, keep=kept(tmp_path, resume=False, **other))
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(RuntimeError, match="switched off"):
        experiment(calls, "second").run(seeds=3, keep=kept(tmp_path, resume=False, **other))
    experiment(calls).run(seeds=3, keep=kept(tmp_path, **other))
    assert calls == ["first", "first", "second", "second"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seeds": 3}, "seeds was 2, is 3. Leave --resume out"),
        ({"scale": "paper"}, "scale was 'small', is 'paper'"),
        ({"data": "a.txt"}, "data was None, is 'a.txt'"),
    ],
)
def test_a_part_of_another_run_is_refused_at_once(changed, message, tmp_path):
    experiment([]).run(seeds=2, keep=kept(tmp_path))
    with pytest.raises(DataError, match=message):
        kept(tmp_path, **changed)
    kept(tmp_path, resume=False, **changed)


def test_a_part_of_other_code_is_refused(tmp_path):
    experiment([]).run(seeds=2, keep=kept(tmp_path))
    path = tmp_path / "first.json"
    stored = json.loads(path.read_text())
    assert stored["run"]["source"] == source_digest()
    path.write_text(json.dumps(stored | {"run": {**RUN, "source": "other"}}))
    with pytest.raises(DataError, match="source was 'other'"):
        kept(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"run": 1, "values": {}, "panels": []}'])
def test_a_broken_file_is_told_with_what_to_do(text, tmp_path):
    (tmp_path / "first.json").write_text(text)
    with pytest.raises(DataError, match=r"first\.json holds no part .* Remove it, and --resume"):
        kept(tmp_path)
