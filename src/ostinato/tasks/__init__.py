"""What models are trained on, by name. The names are known without importing torch."""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any

from ostinato.core.errors import ArgumentError, nearest

if TYPE_CHECKING:
    from ostinato.tasks.task import Task

__all__ = ["make_task", "task_class", "task_names"]

_TASKS = {
    "text": ("ostinato.tasks.text", "TextTask"),
    "forecast": ("ostinato.tasks.forecast", "ForecastTask"),
    "digits": ("ostinato.tasks.digits", "DigitsTask"),
    "mnist": ("ostinato.tasks.mnist", "MnistTask"),
    "spoken_digits": ("ostinato.tasks.spoken_digits", "SpokenDigitsTask"),
    "digit_strings": ("ostinato.tasks.digit_strings", "DigitStringsTask"),
    "copy": ("ostinato.tasks.copy", "CopyTask"),
    "delay_copy": ("ostinato.tasks.delay_copy", "DelayCopyTask"),
    "bit_copy": ("ostinato.tasks.bit_copy", "BitCopyTask"),
    "look_ahead": ("ostinato.tasks.look_ahead", "LookAheadTask"),
    "embedded_reber": ("ostinato.tasks.embedded_reber", "EmbeddedReberTask"),
    "adding": ("ostinato.tasks.adding", "AddingTask"),
    "which_process": ("ostinato.tasks.which_process", "WhichProcessTask"),
    "two_body": ("ostinato.tasks.two_body", "TwoBodyTask"),
    "first_segments": ("ostinato.tasks.first_segments", "FirstSegmentsTask"),
    "parity": ("ostinato.tasks.parity", "ParityTask"),
    "running_parity": ("ostinato.tasks.running_parity", "RunningParityTask"),
    "word_problem": ("ostinato.tasks.word_problem", "WordProblemTask"),
    "modular_arithmetic": ("ostinato.tasks.modular_arithmetic", "ModularArithmeticTask"),
    "keep_nth": ("ostinato.tasks.keep_nth", "KeepNthTask"),
    "k_hop": ("ostinato.tasks.k_hop", "KHopTask"),
    "associative_recall": ("ostinato.tasks.associative_recall", "AssociativeRecallTask"),
    "linear_functional": ("ostinato.tasks.linear_functional", "LinearFunctionalTask"),
    "variable_binding": ("ostinato.tasks.variable_binding", "VariableBindingTask"),
    "babi": ("ostinato.tasks.babi", "BabiTask"),
    "binary_arithmetic": ("ostinato.tasks.binary_arithmetic", "BinaryArithmeticTask"),
    "marked_value": ("ostinato.tasks.marked_value", "MarkedValueTask"),
    "cart_pole": ("ostinato.tasks.cart_pole", "CartPoleTask"),
    "gymnasium": ("ostinato.tasks.gymnasium_control", "GymnasiumTask"),
    "reber": ("ostinato.tasks.reber", "ReberTask"),
    "arrow_pointing": ("ostinato.tasks.arrow_pointing", "ArrowPointingTask"),
    "match_to_sample": ("ostinato.tasks.match_to_sample", "MatchToSampleTask"),
}


def task_names() -> tuple[str, ...]:
    """The names that `make_task` knows."""
    return tuple(_TASKS)


def task_class(name: str) -> type[Task]:
    """The class of the task called `name`; its signature lists the options.

    Raises:
        ArgumentError: if there is no such task.
    """
    if name not in _TASKS:
        raise ArgumentError(f"There is no task {name!r}. {nearest(name, _TASKS)}")
    module, class_name = _TASKS[name]
    found: type[Task] = getattr(import_module(module), class_name)
    return found


def make_task(name: str, **options: Any) -> Task:
    """Build the task called `name`.

    Args:
        name: one of `task_names()`.
        **options: keyword arguments of the task's constructor.

    Raises:
        ArgumentError: if there is no such task, or it does not take one of the options.
    """
    kind = task_class(name)
    known = signature(kind).parameters
    for option in options:
        if option not in known:
            raise ArgumentError(
                f"The task {name!r} takes no option {option!r}. {nearest(option, known)}"
            )
    return kind(**options)
