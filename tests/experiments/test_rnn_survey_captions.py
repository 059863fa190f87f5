from __future__ import annotations

import torch

from ostinato.experiments.rnn_survey_captions import Captioner
from ostinato.tasks.shape_captions import END, LENGTH, WORDS, draw_scenes


def test_the_loss_reaches_the_convolutions_and_captions_are_words():
    images, captions = draw_scenes(torch.Generator().manual_seed(0), 6)
    model = Captioner()
    model(images, captions).backward()
    assert all(bool(p.grad.any()) for p in model.see.parameters())
    words = model.caption(images)
    assert words.shape == (6, LENGTH)
    assert int(words.max()) < len(WORDS)
    for row in words.tolist():
        after = row[row.index(END) :] if END in row else []
        assert set(after) <= {END}
