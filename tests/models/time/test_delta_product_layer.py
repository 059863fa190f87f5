"""The layer: its equations and options, and groups that weights set by hand track."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import ostinato as ost
from ostinato.cells.gated_delta_net import GatedDeltaNetCell
from ostinato.core.errors import ArgumentError
from ostinato.core.state import leaves
from ostinato.models.time.delta_product_layer import DeltaProductConfig, DeltaProductLayer
from ostinato.tasks.word_problem import WordProblemTask

from .reflections import circle, swaps, turns

F64 = torch.float64
SMALL = {"width": 6, "num_heads": 2, "head_dim": 4}
BARE = {"use_forget_gate": False, "use_output_gate": False, "use_short_conv": False}


def layer(engine="reference", **options):
    torch.manual_seed(0)
    return DeltaProductLayer(DeltaProductConfig(**{**SMALL, **options}), engine, dtype=F64)


def test_a_layer_by_its_equations():
    net, x = layer(expand_v=1.5), torch.randn(2, 5, 6, dtype=F64)
    mixed = F.pad((x @ net.input.weight.T).transpose(1, 2), (3, 0))
    mixed = F.conv1d(mixed, net.convolution.weight.T[:, None], groups=48).transpose(1, 2)
    q, k, v = F.silu(mixed).split([8, 16, 24], -1)
    b, a = (x @ net.rates.weight.T).split([4, 2], -1)
    cell = net.recurrence.cell
    g = -cell.A_log.exp() * F.softplus(a + cell.gate_bias)
    o = torch.zeros(2, 5, 2, 6, dtype=F64)
    for row in range(2):
        for head in range(2):
            S = torch.zeros(4, 6, dtype=F64)
            for t in range(5):
                S = g[row, t, head].exp() * S
                for j in range(2):
                    key = F.normalize(k[row, t].view(2, 2, 4)[j, head], dim=0)
                    error = v[row, t].view(2, 2, 6)[j, head] - S.T @ key
                    S = S + 2 * torch.sigmoid(b[row, t].view(2, 2)[j, head]) * key.outer(error)
                o[row, t, head] = S.T @ F.normalize(q[row, t].view(2, 4)[head], dim=0) / 2
    o = o * (o.square().mean(-1, keepdim=True) + 1e-5).rsqrt()
    y = (o.flatten(-2) * F.silu(x @ net.gate.weight.T)) @ net.output.weight.T
    # the length of a key has its own small number added, 10⁻⁶ of the square
    torch.testing.assert_close(net(x)[0], y, atol=1e-3, rtol=1e-3)


ALL = [
    {},
    BARE,
    {"num_householder": 1},
    {"num_v_heads": 4, "expand_v": 0.5, "num_householder": 3},
    {"conv_size": 2, "allow_neg_eigval": False, "scale": 1.0, "use_qk_l2norm": False},
]


@pytest.mark.parametrize("options", ALL)
def test_a_stream_and_two_parts_are_the_whole(options):
    """A part may be shorter than the convolution."""
    net, x = layer("reference", **options), torch.randn(2, 9, 6, dtype=F64)
    whole, last = net(x)
    for cut in (2, 5):
        first, state = net(x[:, :cut])
        second, end = net(x[:, cut:], state)
        torch.testing.assert_close(torch.cat([first, second], 1), whole, atol=1e-12, rtol=0)
        torch.testing.assert_close(end, last, atol=1e-12, rtol=0)
    state = None
    for t in range(9):
        y, state = net.step(x[:, t], state)
        torch.testing.assert_close(y, whole[:, t], atol=1e-12, rtol=0)


@pytest.mark.parametrize("options", ALL[:2])
def test_ragged_rows_joined_tokens_and_resets_equal_single_sequences(options):
    net, x = layer("chunk", **options), torch.randn(1, 12, 6, dtype=F64)
    borders = torch.tensor([0, 5, 5, 12])
    joined, states = net(x, cu_seqlens=borders)
    resets = torch.zeros(1, 12, dtype=torch.bool)
    resets[:, 5] = True
    torch.testing.assert_close(net(x, resets=resets)[0], joined)
    padded = torch.full((2, 9, 6), torch.nan, dtype=F64)
    padded[0, :5], padded[1, :7] = x[0, :5], x[0, 5:]
    ragged, ends = net(padded, lengths=[5, 7])
    assert not ragged[0, 5:].any()
    for row, (begin, end) in enumerate(((0, 5), (5, 12))):
        alone, state = net(x[:, begin:end])
        torch.testing.assert_close(joined[:, begin:end], alone)
        torch.testing.assert_close(ragged[row : row + 1, : end - begin], alone)
        for leaf, packed, expected in zip(leaves(ends), leaves(states), leaves(state), strict=True):
            torch.testing.assert_close(leaf[row : row + 1], expected)
            torch.testing.assert_close(packed[2 * row : 2 * row + 1], expected)
    ragged.square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters())


def test_what_the_recurrence_reads():
    net, x = layer(), torch.randn(2, 5, 6, dtype=F64)
    o = net.recurrence(net.read(x))[0]
    o = net.norm(o.unflatten(-1, (2, 4))).flatten(-2) * F.silu(net.gate(x))
    torch.testing.assert_close(net(x)[0], net.output(o))


def test_under_autocast_reflections_do_not_stretch():
    net = DeltaProductLayer(DeltaProductConfig(**SMALL, **BARE), "reference")
    with torch.no_grad():
        net.input.weight[24:] = 0  # no values: what is there can only be turned
        net.rates.weight.zero_()[:, 0] = 20
    x, first = torch.randn(1, 500, 6), torch.randn(1, 2, 4, 4)
    x[..., 0] = 1
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        state = net(x, ((), first))[1][1]
    assert state.dtype == torch.float32
    assert state.norm() <= first.norm()
    assert state.norm() > 0.9 * first.norm()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_householder": 0}, "num_householder must be at least 1; got 0"),
        ({"num_v_heads": 3}, "multiple of num_heads=2; got 3"),
        ({"expand_v": 0.3}, "whole number of head_dim=4; got 0.3"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        layer(**options)


def before_silu(y):
    """What SiLU makes y of, for y > −0.27."""
    low, high = torch.full_like(y, -1.2), torch.full_like(y, 2.0)
    for _ in range(60):
        middle = (low + high) / 2
        below = F.silu(middle) < y
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return low


def by_hand(elements):
    """A layer that tracks a group of orthogonal matrices, each a product of reflections.

    β is 2, or 0 where fewer reflections are needed. The state begins as the identity; the query
    is turned into another place by every element, and the output matrix compares with each.
    """
    count, size = len(elements), elements[-1][0].numel()
    updates = max(map(len, elements))
    shape = {"head_dim": size, "num_heads": 1, "num_householder": updates, "scale": 1.0}
    net = DeltaProductLayer(DeltaProductConfig(width=count, **shape, **BARE), "chunk")
    query = 2.0 ** torch.arange(size, dtype=F64) / 2**size
    weight = torch.zeros(net.input.out_features, count, dtype=F64)
    weight[:size] = before_silu(query)[:, None]
    rates, codes = torch.full((updates, count), -200.0), torch.zeros(count, size, dtype=F64)
    for element, keys in enumerate(elements):
        matrix = torch.eye(size, dtype=F64)
        for j, key in enumerate(keys):
            rows = slice((1 + j) * size, (2 + j) * size)
            weight[rows, element] = before_silu(key / 4)
            rates[j, element] = 200
            matrix = matrix - 2 * key.outer(key @ matrix)
        codes[element] = matrix.T @ query
    with torch.no_grad():
        net.input.weight.copy_(weight)
        net.rates.weight.copy_(rates)
        net.output.weight.copy_(codes)
    return net


GOLDEN = (1 + 5**0.5) / 2
BY_HAND = {
    "S3": (lambda: swaps(3), 2, 10_000),
    "S5": (lambda: swaps(5), 4, 1000),
    "S4": (lambda: turns("S4", [1.0, 1.0, 0.0]), 2, 1000),
    "A5": (lambda: turns("A5", [1.0, GOLDEN, 1 / GOLDEN]), 2, 1000),
    "Z60": (lambda: circle(60), 2, 1000),
}


@pytest.mark.parametrize("group", BY_HAND)
def test_a_group_is_tracked_by_as_many_reflections_as_are_claimed(group):
    made, updates, steps = BY_HAND[group]
    net = by_hand(made())
    assert net.recurrence.cell.updates == updates
    task = WordProblemTask(group, held_out_steps=steps, held_out_sequences=2)
    (batch,) = task.held_out("valid", 2)
    size = net.recurrence.cell.key_size
    with torch.no_grad():
        y, _ = net(
            F.one_hot(batch.inputs, len(task.table)).float(),
            ((), torch.eye(size).expand(2, 1, -1, -1)),
        )
    assert torch.equal(y.argmax(-1), batch.targets)


def test_one_update_is_gated_delta_net():
    net, x = layer(num_householder=1, use_short_conv=False), torch.randn(2, 7, 6, dtype=F64)
    cell = GatedDeltaNetCell(6, 8, heads=2, key_size=4, negative_eigenvalues=True, dtype=F64)
    inner = net.recurrence.cell
    b, a = net.rates.weight.split([2, 2])
    cell.input.weight.data = torch.cat([net.input.weight, b]).detach()
    cell.gate.weight.data, cell.gate.bias.data = a.detach(), inner.gate_bias.data
    cell.A_log.data = inner.A_log.data
    torch.testing.assert_close(net.recurrence(net.read(x)), ost.RNN(cell, "reference")(x))


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"width": 0}, "width must be at least 1; got 0"),
        ({"symbols": 0}, "symbols must be at least 1"),
        ({"conv_size": 0}, "conv_size must be at least 1"),
        ({"std": -1.0}, "std must not be negative; got -1.0"),
        ({"chunk_size": 3}, "chunk_size must be a power of 2; got 3"),
    ],
)
def test_options_out_of_range(option, said):
    with pytest.raises(ArgumentError, match=said):
        DeltaProductConfig(**option)
