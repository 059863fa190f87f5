"""What recording keeps of a function, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ostinato.compiler.record import record
from ostinato.compiler.rows import TraceError

F = nn.functional
W, TABLE = torch.randn(4, 4), torch.arange(4.0)


def recorded(function, *shapes):
    return record(lambda *given: [function(*given)], [torch.zeros(2, *each) for each in shapes])


def slope(x):
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return torch.autograd.grad(x.tanh().sum(), x)[0]


FUNCTIONS = {
    "linear": lambda x: F.linear(x, W, TABLE),
    "literal": lambda x: x + torch.tensor([1.0, 2.0, 3.0, 4.0]),
    "new_tensor": lambda x: x * x.new_tensor([1.0, 2.0, 3.0, 4.0]),
    "list": lambda x: x[:, [2, 0, 1, 1]],
    "index": lambda x: x[:, torch.tensor([2, 0, 1, 1])],
    "array": lambda x: x[:, np.array([3, 0])],
    "device": lambda x: x + torch.ones(4, device=x.device),
    "factory": lambda x: torch.cat([x, torch.zeros(x.shape[0], 2)], -1),
    "new_zeros": lambda x: x.new_zeros(x.size(0), 3) + x[:, :3],
    "shape": lambda x: x.view(*x.shape[:-1], 2, 2).transpose(1, 2).reshape(x.shape),
    "numel": lambda x: x.reshape(x.numel()).view(-1, 4),
    "folded": lambda x: torch.zeros(x.shape[0] * 2, 2).view(x.shape[0], 4) + x,
    "einsum": lambda x: torch.einsum("bi,ij->bj", x, W),
    "attention": lambda x: F.scaled_dot_product_attention(*3 * [x.view(-1, 1, 2, 2)]).flatten(1),
    "softmax of a constant": lambda x: x @ W.softmax(0),
    "to": lambda x: x.to(W) + W.to(x)[0],
    "branch on what is known": lambda x: x * 2 if x.dim() == 2 and x.is_cpu else x,
    "equal rows": lambda x: x * 2 if x.shape[0] == (x + 1).shape[0] else x,
    "gradient": lambda x: x * slope(x),
    "layer norm": lambda x: F.layer_norm(x, (4,), TABLE, TABLE),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_graph_means_what_was_recorded(name, rows):
    x = torch.randn(rows, 4)
    (found,) = recorded(FUNCTIONS[name], (4,))(x)
    torch.testing.assert_close(found, FUNCTIONS[name](x))


def test_constants_are_the_tensors_themselves():
    module = recorded(lambda x: x @ W + W[0], (4,))
    constants = [getattr(module, n.target) for n in module.graph.nodes if n.op == "get_attr"]
    assert len(constants) == 1
    assert constants[0] is W


REFUSED = {
    "bool": (lambda x: x if x.sum() > 0 else -x, "control flow"),
    "item": (lambda x: x * x[0, 0].item(), "control flow"),
    "item of a constant": (lambda x: x * TABLE.sum().item(), "control flow"),
    "mask": (lambda x: x[x > 0], "control flow"),
    "nonzero": (lambda x: x.nonzero(), "control flow"),
    "len": (lambda x: x / len(x), "len.x. fixes"),
    "rows as a number": (lambda x: x * (1 / x.shape[0]), "how many rows"),
    "rows compared": (lambda x: x if x.shape[0] > 8 else -x, "how many rows"),
    "elements compared": (lambda x: x if x.numel() > 8 else -x, "how many rows"),
    "one row less": (lambda x: x[1:], "takes rows of the batch apart"),
    "half the rows": (lambda x: x.chunk(2)[0], "takes rows of the batch apart"),
    "single rows": (lambda x: torch.stack([row * 2 for row in x]), "takes rows of the batch apart"),
    "split rows": (lambda x: x.split(1), "takes rows of the batch apart"),
    "endless": (lambda x: [x := x + i for i in range(x.shape[0])], "more than"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_graph_cannot_hold_is_refused(name, monkeypatch):
    monkeypatch.setattr("ostinato.compiler.record._MOST", 100)
    function, words = REFUSED[name]
    with pytest.raises(TraceError, match=words):
        recorded(function, (4,))


def test_every_operation_knows_its_line():
    def called(x):
        return F.softplus(x)

    for node in recorded(lambda x: called(x) + 1, (4,)).graph.nodes:
        if node.op == "call_function":
            file, _, function = node.meta["place"]
            assert file == __file__
            assert function in ("called", "<lambda>")


IN_PLACE = {
    "a result": lambda x: (x + 1).mul_(2).add_(x, alpha=3),
    "its own": lambda x: (y := x * 2).add_(y),
    "precision": lambda x: (x > 0).logical_not_(),
    "read before": lambda x: (z := (y := x * 2) + 1, y.mul_(5))[0] + z,
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_what_nobody_else_sees_is_done_apart(name):
    module = recorded(IN_PLACE[name], (4,))
    assert not any(
        "_." in str(n.target) and "_like" not in str(n.target) for n in module.graph.nodes
    )
    x = torch.randn(3, 4)
    torch.testing.assert_close(module(x)[0], IN_PLACE[name](x.clone()))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.mul_(2),
        lambda x: (x * 2)[:, :2].mul_(2),
        lambda x: (y := x * 2, y.view(-1, 2), y.mul_(2))[1],
        lambda x: (y := x * 2, y.view(-1, 2).mul_(2), y)[2],
        lambda x: (y := x * 2, y.detach(), y.mul_(2))[1],
        lambda x: torch.tensor([1.0]).mul_(2) * x,
        lambda x: W.clone()[0].mul_(2) * x,
        lambda x: (x * 1).bernoulli_(),
    ],
)
def test_what_somebody_may_see_stays_in_place(function):
    nodes = recorded(function, (4,)).graph.nodes
    assert any(n.op == "call_function" and n.target._schema.is_mutable for n in nodes)
