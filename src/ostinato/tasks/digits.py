"""Handwritten digits of 8 × 8 pixels, read as sequences.

The 1,797 images of scikit-learn: the test part of E. Alpaydin, C. Kaynak: Optical Recognition of
Handwritten Digits, UCI Machine Learning Repository, 1998.
"""

from __future__ import annotations

import torch

from ostinato.core.extras import extra
from ostinato.tasks.arguments import require_one_of
from ostinato.tasks.labelled import LabelledTask
from ostinato.tasks.split import stratified_split

SPLIT_SEED = 1797
"""Decides the split; fixed, so that scores of different seeds are on the same test set."""


class DigitsTask(LabelledTask):
    """Name the digit after reading an image of 8 × 8 pixels in [0, 1].

    Fixed stratified split: 70 % to train on, 15 % valid, 15 % test. Trivial score: the commonest
    class has an accuracy of about 0.10.

    Args:
        order: "rows", 8 steps of 8 pixels, or "pixels", 64 steps of one.
        seed: what the order of the training images derives from.
    """

    name = "digits"

    def __init__(self, order: str = "rows", seed: int = 0) -> None:
        require_one_of(("rows", "pixels"), order=order)
        self.order = order
        instead = "The generated tasks, e.g. 'delay_copy', need no extra."
        data = extra("sklearn.datasets", "data", "The task 'digits'", instead).load_digits()
        images = torch.tensor(data.images, dtype=torch.float32) / 16
        inputs = images if order == "rows" else images.reshape(len(images), 64, 1)
        labels = torch.tensor(data.target)
        rows = stratified_split(labels, (0.7, 0.15), SPLIT_SEED)
        parts = dict(zip(("train", *self.splits), rows, strict=True))
        super().__init__({s: (inputs[r], labels[r]) for s, r in parts.items()}, 10, seed)
