from __future__ import annotations

import torch

from ostinato.core.form import Form, FormDecision
from ostinato.core.registry import note, recorded_decisions, tell_form


def decision(state=None):
    forms = {"whole": Form("all at once", "too long"), "steps": Form("one by one")}
    return FormDecision("Layer", torch.zeros(2, 3), state, "auto", "steps", forms)


def test_a_decision_is_text_and_plain_data():
    assert str(decision()).splitlines() == [
        "Layer, a layer of its own form",
        "  input  float32[2, 3], batch first",
        "  state  the initial one",
        "           whole  no: too long",
        "  chosen → steps  one by one",
    ]
    told = decision((torch.zeros(2),)).as_dict()
    assert told["state"] == "(float32[2],)"
    assert told["forms"] == {"whole": "too long", "steps": None}


def test_it_is_recorded_where_somebody_asks():
    tell_form(decision())
    with recorded_decisions() as decisions:
        tell_form(decision())
        note("of an engine, which there is none of")
    assert [each.chosen for each in decisions] == ["steps"]
