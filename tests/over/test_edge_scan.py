"""Linear recurrence over the edges of a graph."""

from __future__ import annotations

import pytest
import torch

from ostinato.core.errors import ShapeError
from ostinato.over import edge_loop
from ostinato.over.dag import DAG
from ostinato.over.edge_scan import edge_forms, edge_scan
from ostinato.over.edges import Edges
from ostinato.over.grid import line_scan

from .dags import random_dag
from .loops import draw


def edges_of(dag):
    return Edges.in_order(dag.edges, dag.line_graph)


def parts(edges, nodes, lead=(3,), states=2, keys=3, values=2):
    """Vectors and gates of two queries and three keys, or one of each with one state."""
    read, written = (2, 3) if states > 1 else (1, 1)
    count, pairs = edges.ends.shape[1], edges.line.edges.shape[1]
    shapes = (
        *((nodes, read, keys), (nodes, written, keys), (nodes, written, values)),
        *((count, states, written), (pairs, states, states), (count, read, states)),
    )
    return tuple(torch.randn(*lead, *each, dtype=torch.float64) for each in shapes)


@pytest.fixture(params=["compiled", "levels"])
def form(request, monkeypatch):
    if request.param == "levels":
        monkeypatch.setattr(edge_loop, "obstacle", lambda parts: "none is to be had")
    elif edge_loop.obstacle((torch.ones(1),)):
        pytest.skip("no compiler")
    return request.param


def test_a_path_is_a_line(form):
    steps = 7
    dag = DAG(torch.stack([torch.arange(steps - 1), torch.arange(1, steps)]))
    q, k, v = draw(steps, 2, 3), draw(steps, 3, 3), draw(steps, 3, 2)
    s, m, t = draw(steps, 2, 3), draw(steps, 2, 2), draw(steps, 2, 2)
    found = edge_scan(q, k, v, s[:, :-1], t[:, 1:-1], m[:, 1:], edges_of(dag))
    direct = torch.zeros(2, steps, 2, 3, dtype=torch.float64)
    y, _ = line_scan(q, k, v, t, s, m, direct, scale=1.0, block=4)
    torch.testing.assert_close(found, y, rtol=1e-12, atol=1e-12)


def test_the_gradient_is_the_backward_pass_of_the_paper(form):
    dag = random_dag(8, 20)
    line, (before, after) = dag.line_graph, dag.edges
    given = parts(edges_of(dag), 8, (1,), states=1)
    h = edge_scan(*(each.requires_grad_() for each in given), edges_of(dag))
    dh = torch.randn_like(h)
    found = torch.autograd.grad(h, given, dh)
    with torch.no_grad():
        q, k, v, s, t, m = (each[0, :, 0] for each in given)
        c, dc = (torch.zeros(len(s), 3, 2, dtype=torch.float64) for _ in range(2))
        order = dag.level[before].argsort().tolist()
        for e in order:
            c[e] = s[e] * torch.outer(k[before[e]], v[before[e]])
            for pair in (line.edges[1] == e).nonzero().flatten().tolist():
                c[e] += t[pair] * c[line.edges[0, pair]]
        for e in reversed(order):
            dc[e] = m[e] * torch.outer(q[after[e]], dh[0, after[e], 0])
            for pair in (line.edges[0] == e).nonzero().flatten().tolist():
                dc[e] += t[pair] * dc[line.edges[1, pair]]
        dq, dk, dv = (torch.zeros_like(each) for each in (q, k, v))
        g = dh[0, :, 0]
        dq.index_add_(0, after, m * torch.einsum("ekv,ev->ek", c, g[after]))
        dk.index_add_(0, before, s * torch.einsum("ekv,ev->ek", dc, v[before]))
        dv.index_add_(0, before, s * torch.einsum("ekv,ek->ev", dc, k[before]))
        ds = torch.einsum("ek,ekv,ev->e", k[before], dc, v[before])
        dm = torch.einsum("ek,ekv,ev->e", q[after], c, g[after])
        dt = (c[line.edges[0]] * dc[line.edges[1]]).sum((-2, -1))
    own = (dq, dk, dv, ds[:, None], dt[:, None], dm[:, None])
    torch.testing.assert_close([each[0, :, 0] for each in found], list(own), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("states", "size"), [(2, 3), (1, 4), (1, 8), (2, 4)])
def test_the_compiled_loop_equals_levels(states, size, monkeypatch):
    dag = DAG.join([random_dag(6, 14), random_dag(5, 9, seed=1), DAG(torch.zeros(2, 0).long(), 1)])
    edges = edges_of(dag)
    lead = (2, 2)
    given = parts(edges, dag.nodes, lead, states, size, size)
    # neither lanes nor rows need to lie next to one another
    given = tuple(each.transpose(-3, -4).contiguous().transpose(-3, -4) for each in given)

    def both():
        leaves = [each.detach().requires_grad_() for each in given]
        h = edge_scan(*leaves, edges)
        return h, torch.autograd.grad((h * h.detach().cos()).sum(), leaves)

    found = both()
    monkeypatch.setattr(edge_loop, "obstacle", lambda parts: "none is to be had")
    torch.testing.assert_close(found, both(), rtol=1e-12, atol=1e-12)


def test_gates_are_found_by_their_rows(form):
    edges = edges_of(random_dag(6, 12))
    given = parts(edges, 6)
    rows = [torch.randperm(each.shape[-3] + 2)[: each.shape[-3]] for each in given[3:]]
    wide = [torch.full((3, each.shape[-3] + 2, *each.shape[-2:]), torch.nan) for each in given[3:]]
    spread = [w.double().index_copy(1, r, g) for w, r, g in zip(wide, rows, given[3:], strict=True)]
    leaves = [each.requires_grad_() for each in spread]
    found = edge_scan(*given[:3], *leaves, Edges(edges.ends, edges.line, *rows))
    torch.testing.assert_close(found, edge_scan(*given, edges))
    grads = torch.autograd.grad(found.sum(), leaves)
    spare = torch.ones(len(grads[0][0]), dtype=torch.bool).index_fill(0, rows[0], False)
    assert not grads[0][:, spare].any()


def test_second_derivatives():
    edges = edges_of(random_dag(4, 5))
    given = [each.requires_grad_() for each in parts(edges, 4, (1,), 1, 2, 2)]
    given[1].requires_grad_(False)
    assert torch.autograd.gradgradcheck(lambda *each: edge_scan(*each, edges), given)


def test_no_edge_means_nothing_read(form):
    edges = edges_of(DAG(torch.zeros(2, 0).long(), 3))
    given = [each.requires_grad_() for each in parts(edges, 3)]
    h = edge_scan(*given, edges)
    assert not h.any()
    grads = torch.autograd.grad(h.sum(), given, allow_unused=True)
    assert all(grad is None or not grad.any() for grad in grads)


def test_what_cannot_be_compiled_says_why():
    chosen, forms = edge_forms(torch.ones(1, dtype=torch.bfloat16))
    assert chosen == "levels"
    assert forms["compiled"].obstacle == "it takes float32 or float64"
    with torch.device("meta"):
        assert "for the CPU" in edge_forms(torch.ones(1))[1]["compiled"].obstacle


def test_transforms_of_torch_follow_torch():
    edges = edges_of(random_dag(5, 8))
    given = parts(edges, 5)
    (found,) = torch.func.grad(lambda q: (edge_scan(q, *given[1:], edges) * 2).sum(), (0,))(
        given[0]
    )
    given[0].requires_grad_()
    (expected,) = torch.autograd.grad(2 * edge_scan(*given, edges).sum(), given[:1])
    torch.testing.assert_close(found, expected)


def test_what_does_not_fit_is_refused():
    edges = edges_of(random_dag(6, 12))
    q, k, v, s, t, m = parts(edges, 6)
    with pytest.raises(ShapeError, match=r"k needs the axes \[3, 6, 3, 3\].* got \[3, 5, 3, 3\]"):
        edge_scan(q, k[:, :5], v, s, t, m, edges)
    with pytest.raises(ShapeError, match=r"v needs three axes or more; got \[3, 5\]"):
        edge_scan(q, k, v.new_empty(3, 5), s, t, m, edges)
    with pytest.raises(ShapeError, match="source needs the axes"):
        edge_scan(q, k, v, s[..., :1], t, m, edges)
    with pytest.raises(ShapeError, match=r"transition needs \d+ rows for these edges"):
        edge_scan(q, k, v, s, t[:, : len(edges.line.edges[0]) - 1], m, edges)


@pytest.mark.parametrize("empty", ["keys", "values"])
def test_vectors_without_elements_carry_nothing(form, empty):
    edges = edges_of(random_dag(5, 8))
    given = [each.requires_grad_() for each in parts(edges, 5, **{empty: 0})]
    h = edge_scan(*given, edges)
    assert not h.any()
    for part, grad in zip(given, torch.autograd.grad(h.sum(), given), strict=True):
        assert grad.shape == part.shape
        assert not grad.any()
