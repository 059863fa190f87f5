"""Progress is shown as plain lines in files and as a bar on terminals."""

from __future__ import annotations

from io import StringIO

import pytest

from ostinato.train.progress import Bar, Lines, clock, progress


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [50.0]
    monkeypatch.setattr("ostinato.train.progress.time.monotonic", lambda: now[0])
    return now


def test_a_file_gets_a_line_every_ten_seconds(now: list[float]) -> None:
    stream = StringIO()
    with progress(100, stream=stream) as shown:
        assert isinstance(shown, Lines)
        for step in range(1, 31):
            now[0] += 1
            shown.update(step, 2.5, 1e-3, 400)
        shown.note("valid: 2.0")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4
    assert lines[-1] == "valid: 2.0"
    assert "step 21/100" in lines[2]
    for part in ("loss 2.5000", "lr 1.00e-03", "400 items/s", "0:21 elapsed", "1:19 left"):
        assert part in lines[2]


def test_the_throughput_is_that_of_the_last_seconds(now: list[float]) -> None:
    shown = Lines(None, 0, StringIO())
    for seconds in [10.0] * 3 + [0.5] * 30:
        now[0] += seconds
        shown.update(shown.done + 1, 0.0, 0.0, 100)
    assert shown.items_per_second == pytest.approx(200)
    assert shown.left is None


def test_a_continued_run_counts_its_own_steps_only(now: list[float]) -> None:
    shown = Lines(1000, 900, StringIO())
    now[0] += 10
    shown.update(910, 0.0, 0.0, 1)
    assert shown.left == pytest.approx(90)


def test_a_terminal_gets_a_bar() -> None:
    pytest.importorskip("rich")
    stream = Terminal()
    with progress(4, stream=stream) as shown:
        assert isinstance(shown, Bar)
        for step in range(1, 5):
            shown.update(step, 2.5, 1e-3, 10)
        shown.note("[valid] 2.0")
    assert "4/4" in stream.getvalue()
    assert "[valid] 2.0" in stream.getvalue()


def test_without_rich_a_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rich.console", None)
    assert isinstance(progress(4, stream=Terminal()), Lines)


def test_clock() -> None:
    assert [clock(s) for s in (0, 61, 3723.4, -1)] == ["0:00", "1:01", "1:02:03", "0:00"]
