"""The command `ostinato`: dispatch, help, exit statuses."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

import ostinato.cli
from ostinato import __version__
from ostinato.cli import info
from ostinato.cli.__main__ import COMMANDS, main
from ostinato.cli.options import options_of
from ostinato.core.errors import DataError

FOLDER = Path(ostinato.cli.__file__).parent
HELP = [["--help"], *[[name, "--help"] for name in COMMANDS]]


def run(*words):
    command = [sys.executable, "-m", "ostinato", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def command_of(name):
    return getattr(import_module(f"ostinato.cli.{name}"), name)


def test_the_table_of_commands_is_in_step_with_the_files():
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "__main__"}
    with_command = {
        name for name in files if f"\ndef {name}(" in (FOLDER / f"{name}.py").read_text()
    }
    assert set(COMMANDS) == with_command
    for name, summary in COMMANDS.items():
        assert command_of(name).__doc__.splitlines()[0] == summary


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name):
    for option in options_of(command_of(name)):
        assert option.help, option.name
        assert option.help.endswith(".")


@pytest.mark.parametrize("words", HELP, ids=" ".join)
def test_help_answers_at_once_and_without_torch(words):
    """The target is 0.3 s on a free machine; the test leaves room for a busy one."""
    code = (
        "import sys\n"
        "from ostinato.cli.__main__ import main\n"
        f"status = main({words!r})\n"
        "assert status == 0\n"
        "assert not {'torch', 'numpy'} & set(sys.modules), 'torch was imported'"
    )
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        seconds.append(time.perf_counter() - begin)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("usage: ostinato")
    assert min(seconds) < 0.6


def test_python_m_is_the_same_command():
    assert run("--version").stdout.strip() == f"ostinato {__version__}"
    assert main(["--version"]) == 0


def test_without_words_there_is_help(capsys):
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (["tarin"], "'train'"),
        (["papers", "layernorm"], "'layer-norm'"),
        (["reproduce", "gradient-nose"], "'gradient-noise'"),
        (["explain", "LTSM"], "'LSTM'"),
        (["train", "--task", "tetx", "--steps", "1"], "'text'"),
        (["train", "--steps", "1", "--task", "copy", "--cell", "GRUU"], "'GRU'"),
        (["train", "--hiden-size", "3"], "'--hidden_size'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_name_gets_a_suggestion_and_status_2(words, nearest, capsys, tmp_path):
    if words[0] == "train":
        words = [*words, "--out", str(tmp_path / "run")]
    assert main(words) == 2
    said = capsys.readouterr()
    assert f"Did you mean {nearest}" in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    "words",
    [["papers", "a", "b"], ["papers", "--json=perhaps"], ["train", "--steps", "x"], ["explain"]],
    ids=" ".join,
)
def test_a_wrong_value_has_status_2(words, capsys):
    assert main(words) == 2
    assert "--help" in capsys.readouterr().err


def test_an_error_is_one_message_without_traceback(tmp_path):
    done = run("generate", str(tmp_path / "nothing"))
    assert done.returncode == 1
    assert done.stderr.startswith("ostinato: there is no checkpoint")
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(tmp_path):
    done = run("generate", "--debug", str(tmp_path / "nothing"))
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (DataError("line 3"), 1, "ostinato: line 3"),
        (FileNotFoundError("no such file"), 1, "ostinato: no such file"),
    ],
    ids=["ctrl-c", "data", "file"],
)
def test_failures_become_statuses(monkeypatch, capsys, error, status, said):
    def fail():
        raise error

    monkeypatch.setattr(info, "_versions", fail)
    assert main(["info"]) == status
    assert said in capsys.readouterr().err


def test_a_programming_error_is_not_hidden(monkeypatch):
    monkeypatch.setattr(info, "_versions", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["info"])


def test_a_reader_that_stops_early_is_no_error():
    command = [sys.executable, "-m", "ostinato", "papers", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""


def test_a_missing_extra_is_named():
    code = (
        "import sys\n"
        "sys.modules['jsonargparse'] = None\n"
        "from ostinato.cli.__main__ import main\n"
        "sys.exit(main(['papers']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'ostinato[cli]'" in done.stderr
