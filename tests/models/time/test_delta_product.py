"""The models: the paper's size, a stream equal to the whole, generation, and classes."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ostinato.core.errors import ArgumentError
from ostinato.core.state import map_state
from ostinato.models.generate import generate
from ostinato.models.time.delta_product import (
    DeltaProduct,
    DeltaProductBlock,
    DeltaProductClassifier,
)
from ostinato.models.time.delta_product_layer import DeltaProductConfig

F64 = torch.float64
SMALL = {"symbols": 11, "width": 8, "layers": 2, "num_heads": 2, "head_dim": 4}


def model(engine="reference", **options):
    torch.manual_seed(0)
    config = DeltaProductConfig(**{**SMALL, "std": 0.3, **options})
    return DeltaProduct(config, engine, dtype=F64)


def symbols(rows=3, steps=9):
    return torch.randint(11, (rows, steps), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("updates", [1, 3])
def test_the_published_size(updates):
    net = DeltaProduct(DeltaProductConfig.published("392M", updates), device="meta")
    count = sum(parameter.numel() for parameter in net.parameters())
    assert count / 1e6 == pytest.approx(392, rel=0.005)


def test_what_was_not_published():
    with pytest.raises(ArgumentError, match=r"No size is called '390M'.*392M"):
        DeltaProductConfig.published("390M")
    with pytest.raises(ArgumentError, match=r"one of \[1, 2, 3\] at 392M; got 4"):
        DeltaProductConfig.published("392M", 4)


def test_a_block_by_its_equations():
    torch.manual_seed(0)
    block = DeltaProductBlock(DeltaProductConfig(**SMALL), "reference", dtype=F64)
    x = torch.randn(2, 5, 8, dtype=F64)
    y = x + block.layer(F.rms_norm(x, (8,), block.norm.weight, 1e-5))[0]
    mlp = block.mlp
    u = F.rms_norm(y, (8,), block.mlp_norm.weight, 1e-5)
    y = y + (F.silu(u @ mlp.gate.weight.T) * (u @ mlp.input.weight.T)) @ mlp.output.weight.T
    torch.testing.assert_close(block(x)[0], y)
    assert mlp.gate.out_features == 256


def test_steps_equal_the_whole_and_the_cache_continues_it():
    net, x = model(), symbols()
    whole, last = net(x)
    first, state = net(x[:, :4])
    parts = [first]
    for t in range(4, 9):
        logits, state = net.step(x[:, t], state)
        parts.append(logits[:, None])
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-12, rtol=0)
    torch.testing.assert_close(state, last, atol=1e-12, rtol=0)


def test_nan_in_padding_reaches_neither_output_nor_gradient():
    torch.manual_seed(0)
    block = DeltaProductBlock(DeltaProductConfig(**SMALL), "reference", dtype=F64)
    x = torch.randn(2, 6, 8, dtype=F64)
    x[1, 3:] = torch.nan
    y, _, states = block(x, lengths=[6, 3], return_states=True)
    assert not y[1, 3:].any()
    assert [leaf.shape[:2] for leaf in states] == [(2, 6)] * 2
    torch.testing.assert_close(y[1:, :3], block(x[1:, :3])[0])
    y.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in block.parameters())


def test_engines_agree_on_every_gradient():
    gradients = []
    for engine in ("reference", "chunk"):
        net = model(engine)
        loss = F.cross_entropy(net(symbols())[0].flatten(0, 1), symbols().roll(-1, 1).flatten())
        gradients.append(torch.autograd.grad(loss, list(net.parameters())))
    for a, b in zip(*gradients, strict=True):
        assert a.any()
        torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-9)


def test_weights_begin_small_and_gates_and_norms_as_they_are():
    net = model(std=0.02)
    maps = [each for each in net.modules() if isinstance(each, torch.nn.Linear)]
    weights = torch.cat([each.weight.detach().flatten() for each in maps])
    assert float(weights.std()) == pytest.approx(0.02, rel=0.05)
    inner = net.layer.layers[0].layer
    assert (inner.norm.weight == 1).all()
    assert inner.convolution.weight.abs().max() > 0.1
    assert (inner.recurrence.cell.gate_bias < 0).all()


def test_greedy_generation_is_what_the_model_says_of_the_whole():
    net, written = model(), [3, 1]
    for symbol in generate(net, [3, 1], 8, temperature=0):
        assert symbol == int(net(torch.tensor([written]))[0][0, -1].argmax())
        written.append(symbol)
    assert len(written) == 10


def test_a_class_for_the_whole_or_for_every_step():
    config, x = DeltaProductConfig(**SMALL), symbols()
    for per_step, shape in ((True, (3, 9, 5)), (False, (3, 5))):
        torch.manual_seed(0)
        net = DeltaProductClassifier(config, 5, per_step=per_step, engine="reference")
        lengths = torch.tensor([9, 4, 7])
        found, _ = net(x, lengths=lengths)
        assert found.shape == shape
        alone, _ = net(x[1:2, :4])
        torch.testing.assert_close(found[1:2, :4] if per_step else found[1:2], alone)


def test_it_learns_a_line_by_heart():
    torch.manual_seed(0)
    net = DeltaProduct(DeltaProductConfig(**{**SMALL, "width": 16}), "chunk")
    line = symbols(1, 24)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(40):
        loss = F.cross_entropy(net(line[:, :-1])[0][0], line[0, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.2
    assert list(generate(net, line[0, :4].tolist(), 20, temperature=0)) == line[0, 4:].tolist()


@pytest.mark.parametrize("per_step", [False, True])
def test_left_padding_and_sequences_end_to_end_equal_single_ones(per_step):
    torch.manual_seed(0)
    config = DeltaProductConfig(**SMALL, std=0.3)
    net = DeltaProductClassifier(config, 5, per_step=per_step, engine="chunk", dtype=F64)
    x, mask = symbols(2, 9), torch.ones(2, 9, dtype=torch.int64)
    mask[0, :4] = 0
    alone = [net(x[0:1, 4:]), net(x[1:])]
    left, state = net(x, attention_mask=mask)
    joined = torch.cat([x[0, 4:], x[1]])[None]
    packed, last = net(joined, cu_seqlens=torch.tensor([0, 5, 14]))
    if per_step:
        left, packed = [left[:1, 4:], left[1:]], [packed[:, :5], packed[:, 5:]]
    else:
        left, packed = left.split(1), packed.split(1)
    for i, (answers, after) in enumerate(alone):
        torch.testing.assert_close(left[i], answers)
        torch.testing.assert_close(packed[i], answers)
        one = map_state(lambda leaf, i=i: leaf[i : i + 1], (state, last))
        torch.testing.assert_close(one, (after, after))
    with pytest.raises(ArgumentError, match="drop the others"):
        net(x, lengths=torch.tensor([5, 9]), attention_mask=mask)
