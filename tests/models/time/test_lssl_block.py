"""The block: its equations, dropout, directions, and streams."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ostinato.core.errors import EngineError
from ostinato.models.time.lssl_block import LSSLBlock
from ostinato.models.time.lssl_config import LSSLConfig

F64 = torch.float64

pytestmark = pytest.mark.usefixtures("quick_compile")


def block(**options):
    torch.manual_seed(0)
    made = LSSLBlock(LSSLConfig(**{"width": 6, "state": 4, "channels": 2, **options}), dtype=F64)
    torch.nn.init.normal_(made.norm.weight)
    return made


def x(rows=2, steps=9):
    return torch.randn(rows, steps, 6, dtype=F64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_block_by_its_equations(norm, bidirectional):
    made = block(norm=norm, bidirectional=bidirectional)
    u = made.norm(x()) if norm == "pre" else x()
    z = [made.systems[0](u)[0]]
    if bidirectional:
        z.append(made.systems[1].recurrence(u)[0])
    y = x() + F.gelu(torch.cat(z, -1)) @ made.output.weight.T + made.output.bias
    torch.testing.assert_close(made(x())[0], y if norm == "pre" else made.norm(y))


def test_without_a_mix_the_lssl_is_the_output():
    made = block(channels=1, mix=False, activation="identity")
    torch.testing.assert_close(made(x())[0], x() + made.systems[0](made.norm(x()))[0])


def test_steps_equal_the_whole_also_after_it_was_made_discrete():
    made = block()
    whole, last = made(x())
    for _ in range(2):
        state = None
        for t in range(9):
            y, state = made.step(x()[:, t], state)
            torch.testing.assert_close(y, whole[:, t])
        torch.testing.assert_close(state, last)
        made.make_discrete()
    torch.testing.assert_close(made(x())[0], whole)


def test_a_backward_half_begins_at_each_rows_own_end():
    made = block(bidirectional=True)
    y, state = made(x(), lengths=[9, 4])
    alone, alone_state = made(x()[1:, :4])
    torch.testing.assert_close(y[1:, :4], alone)
    assert not y[1, 4:].any()
    for a, b in zip(state, alone_state, strict=True):
        torch.testing.assert_close(a[1:], b)
    with pytest.raises(EngineError, match="cannot be streamed"):
        made.step(x()[:, 0])


def test_nan_in_padding_reaches_nothing():
    made, given = block(norm="post"), x()
    given[1, 3:] = torch.nan
    y, _ = made(given, lengths=[9, 3])
    assert not y[1, 3:].any()
    y.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in made.parameters())


def test_dropout_is_noise_that_can_be_drawn_given_and_switched_off():
    made = block(dropout=0.5)
    noise = made.sample_noise(2, 9, torch.Generator().manual_seed(3))
    assert set(noise.unique().tolist()) == {0.0, 2.0}
    drawn = made(x(), generator=torch.Generator().manual_seed(3))[0]
    torch.testing.assert_close(made(x(), noise=noise)[0], drawn)
    made.eval()
    torch.testing.assert_close(made(x(), noise=noise)[0], drawn)
    expected = block().eval()(x())[0]
    torch.testing.assert_close(made(x())[0], expected)
    y, _ = made.step(x()[:, 0], noise=noise[0])
    torch.testing.assert_close(y, drawn[:, 0])
    assert block().sample_noise(2, 9) is None
