"""Targets are met, missed, or not judged at all."""

from __future__ import annotations

from dataclasses import replace

from ostinato.bench.targets import verdicts


def outcomes(result):
    return {verdict.text: verdict.outcome for verdict in verdicts(result)}


def find(result, *words):
    (found,) = [v for v in verdicts(result) if all(word in v.text for word in words)]
    return found


def test_a_ratio_of_two_meets_what_asks_for_no_more(result):
    assert {v.aim for v in verdicts(result) if v.outcome == "not met"} == {"≥ 25 ×", "≥ 4 ×"}
    assert "not measured" not in outcomes(result).values()


def test_one_slow_size_misses_the_smallest_but_not_the_mean(changed):
    result = changed(lambda row: row.case == "lstm" and row.hidden == 128, ratio=0.9)
    assert find(result, "every size").outcome == "not met"
    assert find(result, "every size").measured == 0.9
    assert find(result, "lstm", "forward,").outcome == "met"


def test_auto_may_be_five_percent_behind(changed):
    assert find(changed(lambda row: row.case == "auto-gru", ratio=0.96), "auto").outcome == "met"
    assert find(changed(lambda row: row.case == "auto-gru", ratio=0.95), "auto").outcome == (
        "not met"
    )


def test_what_disagrees_or_is_incomplete_is_not_measured(changed):
    result = changed(lambda row: row.case == "gru" and row.batch == 8, ratio=None, failure="no")
    assert find(result, "gru", "forward,").outcome == "not measured"
    result = replace(result, rows=[row for row in result.rows if row.hidden != 128])
    assert find(result, "every size").outcome == "not measured"


def test_shortened_cases_are_not_judged(changed):
    result = changed(lambda row: True, steps=64)
    result = replace(result, compile=[], bandwidth=[])
    assert set(outcomes(result).values()) == {"not measured"}


def test_a_crowded_machine_gives_no_verdict(changed):
    result = changed(lambda row: row.case == "lstm" and row.hidden == 128, crowded=True)
    assert find(result, "every size").outcome == "machine too busy"
    assert find(result, "gru", "forward,").outcome == "met"


def test_the_slowest_scan_counts(result):
    assert find(result, "diagonal scan").outcome == "met"
    slow = replace(result.bandwidth[0], share=0.69)
    changed = replace(result, bandwidth=[slow, *result.bandwidth[1:]])
    assert find(changed, "diagonal scan").outcome == "not met"


def test_times_have_an_upper_bound(result):
    slow = [replace(row, next=3.0 if row.steps == 4096 else 1.0) for row in result.compile]
    result = replace(result, compile=slow)
    assert [find(result, word).outcome for word in ("empty cache, sl", "full cache", "T=4096")] == [
        "not met"
    ] * 3
    assert find(result, "T=4096").measured == 3


def test_every_number_of_threads_is_judged_by_itself(result):
    more = [replace(row, threads=2, ratio=0.5) for row in result.rows]
    told = outcomes(replace(result, rows=[*result.rows, *more]))
    assert told["lstm / nn.LSTM, forward, geometric mean, 1 thread"] == "met"
    assert told["lstm / nn.LSTM, forward, geometric mean, 2 threads"] == "not met"
