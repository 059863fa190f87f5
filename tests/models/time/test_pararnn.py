"""The language model: the paper's sizes, a stream equal to the whole, and generation."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ostinato.core.errors import ArgumentError
from ostinato.core.state import leaves
from ostinato.models.generate import generate
from ostinato.models.time.pararnn import PUBLISHED, ParaRNN, ParaRNNBlock, ParaRNNConfig

F64 = torch.float64
CELLS = ("ParaGRU", "ParaLSTM")
SMALL = {"symbols": 11, "width": 8, "layers": 2, "heads": 2}


def model(cell="ParaGRU", engine="auto", **options):
    torch.manual_seed(0)
    return ParaRNN(ParaRNNConfig(**{**SMALL, **options}, cell=cell), engine, dtype=F64)


def symbols(rows=3, steps=9):
    return torch.randint(11, (rows, steps), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    ("size", "millions", "within"),
    # 1B is a name: its 28.8 billion symbols are 20 for each of 1.44 billion parameters
    [("400M", 400, 0.02), ("1B", 1440, 0.02), ("2.9B", 2900, 0.005), ("7B", 7000, 0.04)],
)
def test_published_sizes(size, millions, within, cell):
    config = ParaRNNConfig.published(size, cell)
    net = ParaRNN(config, device="meta")
    count = sum(parameter.numel() for parameter in net.parameters())
    assert count / 1e6 == pytest.approx(millions, rel=within)
    assert config.cell == cell


def test_a_size_that_was_not_published():
    with pytest.raises(ArgumentError, match=r"No size is called '3B'.*2\.9B"):
        ParaRNNConfig.published("3B")
    with pytest.raises(ArgumentError, match="ParaRNN has no cell 'GRU'"):
        ParaRNNConfig.published("7B", "GRU")
    assert set(PUBLISHED) == {"400M", "1B", "2.9B", "7B"}


def test_cells_begin_as_the_configuration_says():
    cells = [block.recurrence.cell for block in model(initial="released").layer.layers]
    assert {cell.initial for cell in cells} == {"released"}
    assert all(cell.input.bias.any() for cell in cells)
    with pytest.raises(ArgumentError, match="No beginning is called 'release'"):
        ParaRNNConfig(initial="release")


def test_a_block_by_its_equations():
    torch.manual_seed(0)
    block = ParaRNNBlock(ParaRNNConfig(**SMALL), dtype=F64)
    torch.nn.init.normal_(block.scale)
    x = torch.randn(2, 5, 8, dtype=F64)
    u = F.layer_norm(x, (8,), block.norm.weight)
    mixed = F.pad((u @ block.input.weight.T).transpose(1, 2), (3, 0))
    kernel = block.convolution.weight.T[:, None]
    mixed = F.conv1d(mixed, kernel, block.convolution.bias, groups=8).transpose(1, 2)
    h = block.recurrence(F.silu(mixed))[0] * F.silu(u @ block.gate.weight.T)
    h = h * (h.square().mean(-1, keepdim=True) + 1e-5).rsqrt() * block.gated_norm.weight
    y = block.scale * x + h @ block.output.weight.T
    torch.testing.assert_close(block(x)[0], y + block.mlp(y))


@pytest.mark.parametrize("cell", CELLS)
def test_steps_equal_the_whole_and_the_cache_continues_it(cell):
    net, x = model(cell), symbols()
    whole, last = net(x)
    first, state = net(x[:, :4])
    parts = [first]
    for t in range(4, 9):
        logits, state = net.step(x[:, t], state)
        parts.append(logits[:, None])
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-12, rtol=0)
    torch.testing.assert_close(state, last, atol=1e-12, rtol=0)
    alone, _ = net.step(x[:, 0])
    torch.testing.assert_close(alone, whole[:, 0], atol=1e-12, rtol=0)


@pytest.mark.parametrize("cell", CELLS)
def test_ragged_rows_and_resets_equal_single_sequences(cell):
    net, x = model(cell), symbols()
    ragged, state = net(x, lengths=torch.tensor([9, 4, 0]))
    alone, end = net(x[1:2, :4])
    torch.testing.assert_close(ragged[1:2, :4], alone)
    torch.testing.assert_close(state[1][0][1:2], end[1][0])
    resets = torch.zeros(3, 9, dtype=torch.bool)
    resets[:, 5] = True
    torch.testing.assert_close(net(x, resets=resets)[0][:, 5:], net(x[:, 5:])[0])


def test_nan_in_padding_reaches_neither_output_nor_gradient():
    block = ParaRNNBlock(ParaRNNConfig(**SMALL), dtype=F64)
    x = torch.randn(2, 6, 8, dtype=F64)
    x[1, 3:] = torch.nan
    y, _, states = block(x, lengths=[6, 3], return_states=True)
    assert not y[1, 3:].any()
    assert states[0].shape == (2, 6, 3, 8)
    y.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in block.parameters())


def test_nothing_depends_on_what_comes_later():
    net, x = model(), symbols()
    changed = x.clone()
    changed[:, 6] = (x[:, 6] + 1) % 11
    a, b = net(x)[0], net(changed)[0]
    assert torch.equal(a[:, :6], b[:, :6])
    assert not torch.allclose(a[:, 6:], b[:, 6:])


@pytest.mark.parametrize("cell", CELLS)
def test_engines_agree_on_every_gradient(cell):
    gradients = []
    for engine in ("reference", "auto"):
        net = model(cell, engine)
        loss = F.cross_entropy(net(symbols())[0].flatten(0, 1), symbols().roll(-1, 1).flatten())
        gradients.append(torch.autograd.grad(loss, list(net.parameters())))
    for a, b in zip(*gradients, strict=True):
        assert a.any()
        torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("cell", CELLS)
def test_under_autocast_states_keep_their_precision(cell):
    net, x = model(cell).float(), symbols()
    exact, _ = net(x)
    with torch.autocast("cpu", torch.bfloat16):
        rough, state = net(x)
        _, state = net.step(x[:, 0], state)
    torch.testing.assert_close(rough.float(), exact, atol=0.1, rtol=0.1)
    assert {leaf.dtype for leaf in leaves(state)} == {torch.float32}


def test_tied_embeddings_are_one_matrix():
    tied, untied = model(tied=True), model()
    assert tied.head[1].weight is tied.encoder.weight
    size = [sum(p.numel() for p in net.parameters()) for net in (untied, tied)]
    assert size[0] - size[1] == 11 * 8
    logits = tied(symbols())[0].detach()
    assert 0.1 < float(logits.std()) < 3


def test_greedy_generation_is_what_the_model_says_of_the_whole():
    net, written = model(), [3, 1]
    for symbol in generate(net, [3, 1], 8, temperature=0):
        assert symbol == int(net(torch.tensor([written]))[0][0, -1].argmax())
        written.append(symbol)
    assert len(written) == 10


@pytest.mark.parametrize("cell", CELLS)
def test_it_learns_a_line_by_heart(cell):
    torch.manual_seed(0)
    net = ParaRNN(ParaRNNConfig(**{**SMALL, "width": 16}, cell=cell))
    line = symbols(1, 24)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(40):
        loss = F.cross_entropy(net(line[:, :-1])[0][0], line[0, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.2
    assert list(generate(net, line[0, :4].tolist(), 20, temperature=0)) == line[0, 4:].tolist()
