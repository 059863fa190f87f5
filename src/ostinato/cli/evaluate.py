"""`ostinato evaluate`: a trained model on held-out data."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ostinato.core.errors import ArgumentError

if TYPE_CHECKING:
    from ostinato.tasks.task import Task
    from ostinato.train.build import Trained


def evaluate(
    run: Path,
    *,
    split: str | None = None,
    text: Path | None = None,
    cell: str | None = None,
    json: bool = False,
) -> None:
    """Measure a trained model on held-out data.

    Args:
        run: folder of a run, whose best checkpoint is taken, or a checkpoint.
        split: held-out split of the task; none: the first.
        text: measure on all of this text file instead.
        cell: FILE.py:CLASS, if the model was trained with a cell of your own.
        json: print JSON.
    """
    from ostinato.train.build import load_trained, task_of
    from ostinato.train.evaluate import evaluate as score_of

    trained = load_trained(run, cell)
    task = task_of(trained) if text is None else _other_text(trained, text)
    score = score_of(trained.model, task, split, trained.config.batch_size)
    on = str(text) if text is not None else split or task.splits[0]
    if json:
        facts = {"step": trained.step, "data": on, "metric": task.metric, "score": score}
        print(jsonlib.dumps(facts))
    else:
        print(f"{on}: {score:.4f} {task.metric} (step {trained.step})")


def _other_text(trained: Trained, text: Path) -> Task:
    """All of a text as the held-out split, in the symbols that the model knows."""
    from ostinato.tasks.text import TextTask
    from ostinato.tasks.vocabulary import Vocabulary, vocabulary_from

    if trained.vocabulary is None:
        raise ArgumentError(
            f"--text is for models of text; this one was trained on {trained.config.task!r}. "
            "Leave --text out."
        )
    known = vocabulary_from(trained.vocabulary)

    class OtherText(TextTask):
        """A text read with a given vocabulary."""

        def _vocabulary(self) -> Vocabulary:
            return known

    return OtherText(str(text), str(text), held_out_characters=sys.maxsize)
