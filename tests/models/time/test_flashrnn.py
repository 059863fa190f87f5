"""The language model: its block, its beginning, a stream equal to the whole, and generation."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ostinato.core.errors import ArgumentError
from ostinato.core.state import leaves
from ostinato.models.generate import generate
from ostinato.models.time.flashrnn import READS, FlashRNN, FlashRNNBlock, FlashRNNConfig
from ostinato.over.time import RNN

F64 = torch.float64
SMALL = {"symbols": 11, "width": 8, "layers": 2, "heads": 2}


def model(cell="SLSTM", engine="auto", **options):
    torch.manual_seed(0)
    return FlashRNN(FlashRNNConfig(**{**SMALL, **options}, cell=cell), engine, dtype=F64)


def symbols(rows=3, steps=9):
    return torch.randint(11, (rows, steps), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("cell", "millions"), [("SLSTM", 162.3), ("LSTM", 162.3), ("GRU", 148.2), ("Elman", 119.8)]
)
def test_the_published_size(cell, millions):
    net = FlashRNN(FlashRNNConfig.published("165M", cell), device="meta")
    count = sum(parameter.numel() for parameter in net.parameters())
    assert round(count / 1e6, 1) == millions


def test_what_was_not_published():
    with pytest.raises(ArgumentError, match=r"No size is called '165'.*165M"):
        FlashRNNConfig.published("165")
    with pytest.raises(ArgumentError, match=r"no cell 'ParaGRU'.*GRU"):
        FlashRNNBlock(FlashRNNConfig(cell="ParaGRU"))


def test_a_block_by_its_equations():
    """With the sLSTM as the sheet has it: per head, without stabiliser."""
    torch.manual_seed(0)
    block = FlashRNNBlock(FlashRNNConfig(**SMALL), 0.5, dtype=F64)
    cell = block.recurrence.cell
    torch.nn.init.normal_(cell.recur.weight, std=0.5)
    x = torch.randn(2, 5, 8, dtype=F64)
    u = F.layer_norm(x, (8,), block.norm.weight)
    kernel = block.convolution.weight.T[:, None]
    v = F.conv1d(F.pad(u.transpose(1, 2), (3, 0)), kernel, block.convolution.bias, groups=8)
    v = F.silu(v.transpose(1, 2))
    maps = [read.weight.view(2, 2, 4, 4) for read in cell.input.maps]
    R, b = cell.recur.weight.view(2, 4, 4, 4), cell.input.bias.view(4, 2, 4)
    h = c = n = torch.zeros(2, 2, 4, dtype=F64)
    outputs = []
    for t in range(5):
        given = [
            torch.einsum("kgij,bkj->gbki", W, each[:, t].view(2, 2, 4))
            for W, each in zip(maps, (v, u), strict=True)
        ]
        recurrent = torch.einsum("kgij,bkj->gbki", R, h)
        i, f, z, o = torch.cat(given) + recurrent + b[:, None]
        c = f.sigmoid() * c + i.exp() * z.tanh()
        n = f.sigmoid() * n + i.exp()
        h = o.sigmoid() * c / n
        normal = (h - h.mean(-1, True)) / (h.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
        outputs.append(normal.flatten(1) * block.head_norm.weight)
    y = x + torch.stack(outputs, 1)
    inner = F.layer_norm(y, (8,), block.mlp_norm.weight)
    hidden = F.gelu(inner @ block.mlp.gate.weight.T) * (inner @ block.mlp.input.weight.T)
    torch.testing.assert_close(block(x)[0], y + hidden @ block.mlp.output.weight.T)


def test_how_it_begins():
    torch.manual_seed(0)
    net = FlashRNN(FlashRNNConfig(symbols=3, width=384, layers=3, heads=4))
    cells = [block.recurrence.cell for block in net.layer.layers]
    remember = [(cell.input.bias.view(4, -1)[1] > 0).float().mean() for cell in cells]
    assert [cell.depth for cell in cells] == [0, 0.5, 1]
    assert 0 < remember[0] < remember[1] < remember[2] < 1
    assert not any(cell.recur.weight.any() for cell in cells)
    small = (2 / (5 * 384)) ** 0.5
    block = net.layer.layers[0]
    for weight in (*block.recurrence.cell.input.maps.parameters(), block.mlp.gate.weight):
        assert float(weight.detach().std()) == pytest.approx(small, rel=0.03)
    assert float(block.mlp.output.weight.detach().std()) == pytest.approx(
        2 / 3 / 384**0.5, rel=0.03
    )
    assert block.mlp.gate.weight.shape == (512, 384)
    assert (model("LSTM").layer.layers[0].recurrence.cell.input.bias[8:16] == 1).all()


@pytest.mark.parametrize("cell", READS)
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


@pytest.mark.parametrize("cell", READS)
def test_engines_agree_on_every_gradient(cell):
    gradients = []
    for engine in ("reference", "auto"):
        net = model(cell, engine)
        loss = F.cross_entropy(net(symbols())[0].flatten(0, 1), symbols().roll(-1, 1).flatten())
        gradients.append(torch.autograd.grad(loss, list(net.parameters())))
    for a, b in zip(*gradients, strict=True):
        assert a.any()
        torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-9)


OPTIONS = {"gradient_clip": 1e-3, "state_clip": 0.2, "initial": [0.1, -0.2]}


def test_options_of_the_recurrence_are_those_of_the_wrappers():
    net = model("LSTM", "reference", **OPTIONS)
    cell = net.layer.layers[0].recurrence.cell
    h, c = cell.initial_state(2)
    assert (h == 0.1).all()
    assert (c == -0.2).all()
    assert not any(parameter.requires_grad for parameter in cell.start)
    net.load_state_dict(model("LSTM", **OPTIONS).state_dict())
    x = 30 * torch.randn(2, 5, 8, dtype=F64), torch.randn(2, 5, 8, dtype=F64)
    h, _ = RNN(cell, "reference")(x)
    assert h.abs().max() == 0.2
    weight = cell.get_parameter("cell.cell.cell.recur.recurrent.weight")
    free = RNN(model("LSTM", initial=[0.1, -0.2]).layer.layers[0].recurrence.cell, "reference")
    assert free(x)[0].abs().max() > 0.2
    assert torch.autograd.grad(h.sum(), weight)[0].any()


@pytest.mark.parametrize("option", [{"gradient_clip": 1e-9}, {"gradient_cut": True}])
def test_what_goes_back_through_the_matrices_may_be_limited(option):
    found = []
    for options in ({}, option):
        net = model("Elman", "reference", layers=1, **options)
        h = torch.zeros(3, 8, dtype=F64, requires_grad=True)
        x = (torch.randn(3, 4, 8, dtype=F64),)
        y, _ = net.layer.layers[0].recurrence(x, h)
        found.append(torch.autograd.grad(y.sum(), h, materialize_grads=True)[0])
    assert found[0].abs().max() > 0.1
    assert found[1].abs().max() <= option.get("gradient_clip", 0)


def test_options_out_of_range():
    with pytest.raises(ArgumentError, match=r"list 2 numbers, .* of LSTM; got \[0.1\]"):
        model("LSTM", initial=[0.1])
    with pytest.raises(ArgumentError, match=r"list 1 numbers, .* of GRU; got 0.1"):
        model("GRU", initial=0.1)
    with pytest.raises(ArgumentError, match="clip must be a positive number"):
        model(gradient_clip=-1.0)
    with pytest.raises(ArgumentError, match="either clip=c or cut=True"):
        model(gradient_clip=1.0, gradient_cut=True)


def test_only_the_cell_tells_symbols_apart_that_the_convolutions_no_longer_see():
    net, x = model(), symbols(1, 9)
    changed = x.clone()
    changed[:, 0] = (x[:, 0] + 1) % 11
    assert (net(x)[0] - net(changed)[0]).abs().amax(-1)[0, -1] > 1e-6


def test_ragged_rows_equal_single_sequences():
    net, x = model(), symbols()
    ragged, _ = net(x, lengths=torch.tensor([9, 4, 0]))
    torch.testing.assert_close(ragged[1:2, :4], net(x[1:2, :4])[0])


def test_under_autocast_states_keep_their_precision():
    net, x = model().float(), symbols()
    exact, _ = net(x)
    with torch.autocast("cpu", torch.bfloat16):
        rough, state = net(x)
    torch.testing.assert_close(rough.float(), exact, atol=0.1, rtol=0.1)
    assert {leaf.dtype for leaf in leaves(state[0][1])} == {torch.float32}


def test_it_learns_a_line_by_heart_and_says_it():
    torch.manual_seed(0)
    net = FlashRNN(FlashRNNConfig(**{**SMALL, "width": 16}))
    line = symbols(1, 24)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(60):
        loss = F.cross_entropy(net(line[:, :-1])[0][0], line[0, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.2
    assert list(generate(net, line[0, :4].tolist(), 20, temperature=0)) == line[0, 4:].tolist()
