"""Functions are the same step only if nothing they reach could have changed."""

from __future__ import annotations

import functools
import gc
import random
import types

import pytest
import torch
from torch import nn

from ostinato.core.identity import Same, identify

SCALE, SETTINGS, TABLE = 0.5, {"gain": 2.0}, torch.ones(3)
space = types.SimpleNamespace(gain=1.0, inner=[1, 2])


def helper(h):
    return h * SCALE


def key(function):
    found = identify(function)
    assert found is not None
    return found.key


def closing_over(value):
    return lambda h, x: (h * value, x)


def test_functions_made_anew_are_the_same():
    assert key(closing_over(0.5)) == key(closing_over(0.5))
    assert hash(key(closing_over(0.5))) == hash(key(closing_over(0.5)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.5, 0.6), (1, 1.0), (1, True), (0.0, -0.0), ([1, 2], (1, 2)), ([1, 2], [2, 1]),
        ({"a": 1}, {"a": 2}), ({"a": 1, "b": 2}, {"b": 2, "a": 1}), ("a", b"a"), (None, False),
        (torch.float32, torch.float64), (slice(1, 2), slice(1, 3)), (torch.tanh, torch.sigmoid),
        (torch.zeros(3), torch.zeros(4)), (torch.zeros(3), torch.zeros(3).double()),
        (torch.zeros(3), torch.zeros(3, requires_grad=True)),
        (torch.zeros(3), nn.Parameter(torch.zeros(3))),
        (torch.zeros(2, 3), torch.zeros(3, 2).T), (nn.Linear(3, 3), nn.Linear(3, 3)),
        (closing_over(1), closing_over(2)), ({1, 2}, {1, 3}),
        (functools.partial(helper, h=1), functools.partial(helper, h=2)),
        (types.SimpleNamespace(a=1), types.SimpleNamespace(a=2)),
    ],
)  # fmt: skip
def test_what_a_function_closes_over_tells_it_apart(one, other):
    assert key(closing_over(one)) != key(closing_over(other))
    assert key(closing_over(one)) == key(closing_over(one))


def test_tensors_of_one_shape_are_interchangeable_but_not_their_coincidence():
    a, b = torch.zeros(3), torch.ones(3)

    def pair(p, q):
        return lambda h, x: (h * p + q, x)

    assert key(pair(a, b)) == key(pair(b, a)) != key(pair(a, a))
    assert [id(t) for t in identify(pair(b, a)).tensors] == [id(b), id(a)]


def test_code_tells_apart():
    assert key(lambda h, x: (h * 2, x)) != key(lambda h, x: (h * 3, x))
    assert key(lambda h, x: (h * 2, x)) != key(lambda h, x: (h * 2.0, x))


def test_a_global_counts_also_inside_of_other_functions(monkeypatch):
    def step(h, x):
        return next(helper(each) for each in (h,)), x * SETTINGS["gain"] * space.gain

    before = key(step)
    assert before == key(step)
    with monkeypatch.context() as patch:
        patch.setitem(globals(), "SCALE", 0.7)
        assert key(step) != before
    with monkeypatch.context() as patch:
        patch.setitem(SETTINGS, "gain", 3.0)
        assert key(step) != before
    with monkeypatch.context() as patch:
        patch.setattr(space, "gain", 3.0)
        assert key(step) != before
    assert key(step) == before


def test_attributes_of_the_user_s_modules_count(monkeypatch):
    settings = types.ModuleType("settings")
    settings.gain, settings.unused = 1.0, object()
    monkeypatch.setitem(globals(), "settings", settings)
    step = eval("lambda h, x: (h * settings.gain, x)", globals())
    before = key(step)
    settings.gain = 2.0
    assert key(step) != before


def test_defaults_and_mutated_lists_count():
    values = [1.0]

    def step(h, x, *, scale=values):
        return h * scale[0], x

    before = key(step)
    values[0] = 2.0
    assert key(step) != before


def test_modules_by_identity_and_condition():
    linear, drop = nn.Linear(3, 3), nn.Dropout()

    def step(h, x):
        return drop(linear(h)), x

    marks = [key(step)]
    drop.eval()
    marks.append(key(step))
    drop.p = 0.1
    marks.append(key(step))
    linear.weight.requires_grad_(False)
    marks.append(key(step))
    linear.register_forward_hook(print)
    assert all(a != b for i, a in enumerate(marks) for b in marks[i + 1 :])
    assert {type(each) for each in identify(closing_over(nn.GRUCell(2, 2))).modules()} == {
        nn.GRUCell
    }
    assert identify(closing_over(linear)).key == identify(closing_over(linear)).key


def test_methods_of_modules_count_their_module():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.gain = 1.0

        def step(self, h, x):
            return h * self.gain, x

    own = Own()
    before = key(own.step)
    assert before == key(own.step) != key(Own().step)
    own.gain = 2.0
    assert key(own.step) != before


class Plain:
    gain = 1.0

    def step(self, h, x):
        return h * self.gain, x


count = 0


def counting(h, x):
    global count
    count += 1
    return h * count, x


def importing(h, x):
    from math import pi

    return h * pi, x


def setting(h, x):
    space.gain = 2.0
    return h, x


def collecting(kept):
    def step(h, x):
        kept.append(h)
        return h, x

    return step


def filling(kept):
    def step(h, x):
        kept["h"] = h
        return h, x

    return step


def rebinding():
    steps = 0

    def step(h, x):
        nonlocal steps
        steps += 1
        return h, x

    return step


def test_a_container_of_its_own_may_change():
    def step(h, x):
        parts = []
        parts.append(h)
        return torch.cat(parts), x

    assert key(step) == key(step)


UNKNOWN = {
    "a list that is filled": collecting([]),
    "a dictionary that is filled": filling({}),
    "a variable outside": rebinding(),
    "output": lambda h, x: (h, print(x)),
    "an object": closing_over(Plain()),
    "a method of an object": Plain().step,
    "a callable object": functools.partial(Plain().step),
    "a class": closing_over(Plain),
    "a generator": closing_over(iter([1.0])),
    "random numbers": lambda h, x: (h * random.random(), x),
    "a bound method": closing_over([].append),
    "far reaching": lambda h, x: (h * eval("SCALE"), x),
    "attributes by name": lambda h, x: (h * getattr(space, "gain"), x),  # noqa: B009
    "a global that changes": counting,
    "an import": importing,
    "an attribute that is set": setting,
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_could_change_unseen_is_unknown(name):
    assert identify(UNKNOWN[name]) is None


def test_recursion_and_empty_cells():
    def step(h, x):
        return (h, x) if x is None else step(h, None)

    assert key(step) == key(step)
    circle = []
    circle.append(circle)
    assert key(closing_over(circle)) == key(closing_over(circle))

    def early():
        found = identify(lambda h, x: (h * late, x))
        late = 1
        return found, late

    assert early()[0] is None


def test_an_address_used_again_is_another_object():
    held = Plain()
    mark = Same(held)
    assert mark == Same(held)
    del held
    gc.collect()
    assert mark != Same(Plain())
    assert mark != mark.__class__(mark)
