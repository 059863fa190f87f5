from __future__ import annotations

import pytest

from ostinato.core.errors import ArgumentError
from ostinato.models.time.lssl_config import PUBLISHED, LSSLConfig


def test_options_of_a_published_shape_can_be_changed():
    config = LSSLConfig.published("SC-raw", learn="fixed", outputs=5)
    assert (config.width, config.state, config.channels, config.depth) == (256, 128, 2, 4)
    assert (config.learn, config.outputs) == ("fixed", 5)
    assert len(PUBLISHED) == 9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "glu"}, "No activation is called 'glu'. Did you mean 'gelu'"),
        ({"norm": "none"}, "No norm is called 'none'"),
        ({"pool": "max"}, "No pool is called 'max'"),
        ({"width": 0, "depth": -1}, "must be at least 1; got width=0, depth=-1"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\)"),
        ({"mix": False, "channels": 2}, "got channels=2, bidirectional=False"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        LSSLConfig(**options)


def test_a_task_that_the_paper_does_not_have():
    with pytest.raises(ArgumentError, match=r"No task is called 'MNIST'. Did you mean"):
        LSSLConfig.published("MNIST")
