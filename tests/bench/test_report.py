"""What is shown and written."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

from ostinato.bench.report import header, save, show, to_json, to_markdown


def test_the_screen_has_machine_ratios_and_verdicts(result, capsys):
    show(result)
    shown = capsys.readouterr().out
    for words in ("Some CPU, 2 cores, fma", "lstm against nn.LSTM", "2.00 [2.00, 2.00]", "not met"):
        assert words in shown


def test_json_is_complete(result):
    told = json.loads(json.dumps(to_json(result)))
    assert told["machine"]["cpu"] == "Some CPU"
    assert len(told["rows"]) == len(result.rows)
    assert {"case", "peer", "mode", "ratio", "ours_ms", "peer_ms", "spread", "threads"} <= set(
        told["rows"][0]
    )
    assert len(told["compile"]) == 4
    assert {target["outcome"] for target in told["targets"]} == {"met", "not met"}


def test_markdown_has_tables_that_are_whole(result):
    text = to_markdown(result)
    assert text.startswith("# Benchmark\n")
    widths = [
        {line.count("|") for line in block.splitlines()}
        for block in text.split("\n\n")
        if block.startswith("|")
    ]
    assert len(widths) > 5
    assert all(len(width) == 1 for width in widths)


def test_it_is_said_who_else_was_there(result):
    told = {others: header(replace(result, others=others))[-1] for others in (None, 0.02, 0.7)}
    assert "not known" in told[None]
    assert "machine not shared" in told[0.02]
    assert "machine shared" in told[0.7]
    assert "0.70 cores" in told[0.7]


def test_the_mark_of_crowded_numbers_is_explained(result, changed):
    assert "†" not in "".join(header(result))
    assert "†" in "".join(header(changed(lambda row: True, crowded=True)))


def test_files_are_written_whole(result, tmp_path):
    result = replace(result, rows=result.rows[:12])
    paths = save(result, tmp_path / "deep" / "folder")
    assert {path.name for path in paths} == {"results.json", "results.md", "ratios.png"}
    assert set(paths) == set((tmp_path / "deep" / "folder").iterdir())
    assert json.loads(paths[0].read_text())["repeats"] == 9
    assert paths[2].read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_picture_is_left_out(result, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert {path.name for path in save(result, tmp_path)} == {"results.json", "results.md"}
    assert "ostinato[plot]" in capsys.readouterr().err
