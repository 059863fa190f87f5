"""The architectures of a review of recurrent nets, each at what it was made for.

Z. C. Lipton, J. Berkowitz, C. Elkan, "A Critical Review of Recurrent Neural Networks for Sequence
Learning", 2015, arXiv 1506.00019.

The review measures nothing itself; the numbers beside the claims are those of the works that it
reviews, on data that are not used here. What is compared is the effect: memory
(`rnn_survey_memory`), both directions (`rnn_survey_directions`), labels without places
(`rnn_survey_labelling`), one sequence from another (`rnn_survey_translation`), captions
(`rnn_survey_captions`), and an external memory (`rnn_survey_turing`).
"""

from __future__ import annotations

from dataclasses import dataclass

from ostinato.experiments import (
    rnn_survey_captions,
    rnn_survey_directions,
    rnn_survey_labelling,
    rnn_survey_memory,
    rnn_survey_translation,
    rnn_survey_turing,
)
from ostinato.experiments.experiment import Experiment

__papers__ = ("rnn-survey",)


@dataclass(frozen=True)
class Scale:
    """Sizes of the parts.

    Attributes:
        memory: of the adding problem and Reber strings.
        directions: of looking ahead.
        labelling: of strings of digits.
        translation: of copying by encoder and decoder.
        captions: of scenes.
        turing: of copying bits.
    """

    memory: rnn_survey_memory.Size
    directions: rnn_survey_directions.Size
    labelling: rnn_survey_labelling.Size
    translation: rnn_survey_translation.Size
    captions: rnn_survey_captions.Size
    turing: rnn_survey_turing.Size


EXPERIMENT = Experiment(
    slug="rnn-survey",
    title="Recurrent nets up to 2015: memory, directions, labelling, translation, captions, NTM",
    claims=(
        *rnn_survey_memory.CLAIMS,
        *rnn_survey_directions.CLAIMS,
        *rnn_survey_labelling.CLAIMS,
        *rnn_survey_translation.CLAIMS,
        *rnn_survey_captions.CLAIMS,
        *rnn_survey_turing.CLAIMS,
    ),
    scales={
        "small": Scale(
            rnn_survey_memory.Size(adding_updates=1300, reber_updates=900),
            rnn_survey_directions.Size(updates=500),
            rnn_survey_labelling.Size(updates=1200),
            rnn_survey_translation.Size(updates=1200),
            rnn_survey_captions.Size(updates=3000),
            rnn_survey_turing.Size(updates=4000),
        ),
        "paper": Scale(
            rnn_survey_memory.Size(20_000, 20_000, steps=100, shortest=20),
            rnn_survey_directions.Size(updates=5000),
            rnn_survey_labelling.Size(updates=20_000, images="mnist", units=100),
            rnn_survey_translation.Size(updates=20_000, every=100, enough=95, length=20),
            rnn_survey_captions.Size(updates=20_000),
            rnn_survey_turing.Size(updates=100_000, longest=20, tested=100, locations=128),
        ),
    },
    measure={
        "memory": lambda scale, *how: rnn_survey_memory.measure(scale.memory, *how),
        "directions": lambda scale, *how: rnn_survey_directions.measure(scale.directions, *how),
        "labelling": lambda scale, *how: rnn_survey_labelling.measure(scale.labelling, *how),
        "translation": lambda scale, *how: rnn_survey_translation.measure(scale.translation, *how),
        "captions": lambda scale, *how: rnn_survey_captions.measure(scale.captions, *how),
        "turing": lambda scale, *how: rnn_survey_turing.measure(scale.turing, *how),
    },
)
