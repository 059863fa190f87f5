"""The header names the machine, and tells how busy others kept it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from ostinato.bench import machine as module
from ostinato.bench.machine import Company, CpuClock, crowded, this_machine
from ostinato.core.errors import ArgumentError


def test_the_machine_is_described():
    machine = this_machine()
    assert machine.torch == torch.__version__
    assert machine.cores >= 1
    assert all((machine.cpu, machine.compiler, machine.date))


def test_the_slug_is_the_name_of_a_folder():
    machine = replace(this_machine(), cpu="Some(R) CPU @ 2.0GHz", cores=4, torch_capability="AVX2")
    assert machine.slug == "some-r-cpu-2-0ghz-4-cores-avx2"


def test_others_are_what_everybody_does_beyond_oneself():
    before, now = CpuClock(100, 10, 0), CpuClock(118, 16, 10)
    assert now.cores_of_others(before) == pytest.approx(1.2)
    assert CpuClock(100, 13, 10).cores_of_others(before) == 0


@pytest.mark.skipif(CpuClock.now() is None, reason="the system does not tell")
def test_own_work_and_that_of_children_is_not_of_others():
    """Others may be there, but not a core more for the work of oneself."""
    before = CpuClock.now()
    subprocess.run([sys.executable, "-c", "sum(range(10**7))"], check=True)
    now = CpuClock.now()
    assert now.own - before.own > 0.05
    assert now.everybody - before.everybody > 0.05


def test_where_the_system_does_not_tell_nothing_is_known(monkeypatch):
    monkeypatch.setattr(module.CpuClock, "now", lambda: None)
    assert Company().cores() is None
    assert not crowded(99, None)


@pytest.mark.parametrize(
    ("threads", "others", "expected"),
    [(1, 0.9, False), (1, 1.3, True), (2, 0.05, False), (2, 0.5, True)],
)
def test_a_machine_is_crowded_when_cores_are_missing(monkeypatch, threads, others, expected):
    monkeypatch.setattr(module, "available_cores", lambda: 2)
    assert crowded(threads, others) is expected


@pytest.mark.parametrize(("device", "said"), [("mps", "can be cpu or cuda"), ("cuda", "no CUDA")])
def test_a_device_that_cannot_be_used(device, said, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ArgumentError, match=said):
        this_machine(device)


def test_a_device_names_the_results(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some Card 80GB")
    assert this_machine("cuda").slug == "some-card-80gb"
    assert this_machine().device == ""
