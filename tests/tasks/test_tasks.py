import subprocess
import sys
from inspect import signature

import pytest

from ostinato.core.errors import ArgumentError
from ostinato.tasks import make_task, task_class, task_names


def test_names_are_known_without_torch():
    code = "import sys, ostinato.tasks as t; t.task_names(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", task_names())
def test_every_name_leads_to_the_task_of_that_name(name):
    assert task_class(name).name == name


@pytest.mark.parametrize("name", task_names())
def test_every_option_has_a_default(name):
    options = signature(task_class(name)).parameters.values()
    assert all(option.default is not option.empty for option in options)


def test_options_are_stored_under_their_names():
    task = make_task("delay_copy", classes=3, delay=2, steps=7, seed=5, held_out_sequences=9)
    assert {name: getattr(task, name) for name in signature(type(task)).parameters} == {
        "classes": 3,
        "delay": 2,
        "steps": 7,
        "seed": 5,
        "held_out_sequences": 9,
    }


def test_unknown_task_names_the_nearest():
    with pytest.raises(ArgumentError, match=r"no task 'delaycopy'.*'delay_copy'"):
        make_task("delaycopy")


def test_unknown_option_names_the_nearest_and_all():
    with pytest.raises(ArgumentError, match=r"no option 'delays'. Did you mean 'delay'\?.*steps"):
        make_task("delay_copy", delays=3)
