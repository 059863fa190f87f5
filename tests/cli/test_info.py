"""`ostinato info`."""

from __future__ import annotations

import json
import sys

import pytest
import torch

from ostinato import __version__
from ostinato.cli import info as module
from ostinato.cli.info import info


def facts_of(capsys):
    info(json=True)
    return json.loads(capsys.readouterr().out)


def test_json_names_versions_hardware_and_engines(capsys):
    facts = facts_of(capsys)
    assert facts["versions"]["ostinato"] == __version__
    assert facts["versions"]["torch"] == torch.__version__
    assert facts["cpu"]["cores"] >= 1
    assert facts["cpu"]["memory"].endswith("GiB")
    assert "reference" in facts["engines"]
    assert len(facts["cuda"]) == torch.cuda.device_count()


def test_extras_are_read_off_the_metadata(capsys):
    extras = facts_of(capsys)["extras"]
    assert extras["cli"].startswith("jsonargparse ")
    assert "all" not in extras


def test_a_missing_extra_comes_with_its_installation(capsys, monkeypatch):
    monkeypatch.setattr(module, "_requirements", lambda: [("plot", "absent-package")])
    assert facts_of(capsys)["extras"] == {
        "plot": "absent-package missing: pip install 'ostinato[plot]'"
    }


@pytest.mark.skipif(sys.platform == "win32", reason="needs an executable file")
def test_the_compiler_named_by_cxx_is_found(capsys, monkeypatch, tmp_path):
    compiler = tmp_path / "my-compiler"
    compiler.touch(mode=0o755)
    monkeypatch.setenv("CXX", str(compiler))
    assert facts_of(capsys)["compilers"][str(compiler)] == str(compiler)


def test_text_has_every_section(capsys):
    info()
    shown = capsys.readouterr().out.splitlines()
    for section in ("versions", "extras", "cpu", "cuda", "compilers", "engines", "tuned"):
        assert section in shown


def test_choices_that_were_measured_are_counted(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path))
    assert facts_of(capsys)["tuned"] == {}
    kept = {f"a device | triton 3.6.0 | {i}": {"chosen": "first"} for i in range(2)}
    (tmp_path / "tuned.json").write_text(json.dumps(kept))
    assert facts_of(capsys)["tuned"] == {"a device": "2 choices measured"}
