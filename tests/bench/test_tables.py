"""Tables hold every row, and say what there is no ratio for."""

from __future__ import annotations

from dataclasses import replace

from ostinato.bench.cases import CASES
from ostinato.bench.tables import tables


def by_title(result):
    return {table.title: table for table in tables(result)}


def test_there_is_a_table_for_every_case_and_peer(result):
    found = by_title(result)
    for case in CASES.values():
        for peer in case.peers:
            assert len(found[f"{case.name} against {peer}"].rows) == len(case.sizes)
    for table in found.values():
        assert {len(row) for row in table.rows} == {len(table.headings)}
    assert list(found)[-4:] == [
        "Geometric means of the ratios", "Time until a cell is ready", "Rates of affine scans",
        "Targets",
    ]  # fmt: skip


def test_a_row_shows_times_ratio_and_quartiles(changed):
    result = changed(lambda row: row.mode == "forward", spread=(1.5, 2.5))
    assert by_title(result)["lstm against nn.LSTM"].rows[0] == [
        "B=1 T=1024 H=64", "1", "1.00", "2.00", "2.00 [1.50, 2.50]", "1.00", "2.00",
        "2.00 [2.00, 2.00]",
    ]  # fmt: skip


def test_a_red_gate_has_a_reason_and_no_ratio(changed):
    result = changed(
        lambda row: row.case == "gru", ratio=None, spread=None, failure="outputs differ"
    )
    found = by_title(result)
    assert "none: they disagree" in found["gru against nn.GRU"].rows[0]
    assert found["Disagreements"].rows[0][-1] == "outputs differ"
    assert len(found["Disagreements"].rows) == len(CASES["gru"].sizes)


def test_cases_of_the_same_sizes_and_peers_stand_in_one_table(changed):
    result = changed(lambda row: row.peer == "engine parallel", ratio=3.0)
    table = by_title(result)["Times as fast as engine reference / engine parallel, 1 thread"]
    assert table.headings[:2] == ["case", "B=1 T=4096 H=64, forward"]
    assert len(table.headings) == 1 + 2 * 2
    linear = [name for name in CASES if name.startswith("linear-")]
    assert table.rows == [[name, *["2.00 / 3.00"] * 4] for name in linear]
    assert not any("nn.LSTM" in title and "fast" in title for title in by_title(result))


def test_crowded_numbers_are_marked(changed):
    result = changed(lambda row: row.case == "gru", crowded=True)
    found = by_title(result)
    assert found["gru against nn.GRU"].rows[0][4].endswith("†")
    marked = [row[0] for row in found["Geometric means of the ratios"].rows if "†" in row[-1]]
    assert marked == ["gru"]


def test_without_rows_there_are_targets_only(result):
    assert list(by_title(replace(result, rows=[], compile=[], bandwidth=[]))) == ["Targets"]
