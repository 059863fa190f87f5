from __future__ import annotations

import torch

import ostinato as ost
from ostinato.cells import make_cell
from ostinato.core.state import leaves
from ostinato.train.rtrl.learner import RTRL


def test_of_an_element_by_element_cell_a_number_for_each_parameter_of_the_recurrence():
    cell = make_cell("ELSTM", 3, 16)
    cost = RTRL(ost.RNN(cell)).explain(torch.zeros(8, 1, 3))
    followed = {each.name: (each.size, each.numbers) for each in cost.followed}
    assert followed == {"input.weight": (96, 96), "input.bias": (32, 32), "recur": (32, 32)}
    assert cost.passes == 1
    assert cost.flops == 2 * 2 * cost.numbers
    assert "1 of the step backwards" in str(cost)


def test_it_says_beforehand_what_is_carried():
    for name, method in (("LSTM", "exact"), ("LSTM", "snap"), ("ParaLSTM", "uoro")):
        rnn = ost.RNN(make_cell(name, 3, 4))
        learner, x = RTRL(rnn, method), torch.zeros(2, 5, 3)
        cost = learner.explain(x)
        _, carried = learner(x)
        held = sum(leaf.numel() * leaf.element_size() for leaf in leaves(carried.kept))
        assert cost.memory == held
        assert sum(each.numbers for each in cost.followed) <= cost.numbers
        assert {each.name for each in cost.followed} == dict(rnn.cell.named_parameters()).keys()


def test_of_a_stack_it_is_that_of_the_last_layer():
    stack = ost.Stack([ost.RNN(make_cell("ELSTM", 3, 5)), ost.RNN(make_cell("ELSTM", 5, 4))])
    alone = RTRL(ost.RNN(make_cell("ELSTM", 5, 4))).explain(torch.zeros(2, 1, 5))
    assert RTRL(stack).explain(torch.zeros(2, 1, 3)) == alone


def test_of_gates_that_do_not_reach_the_state_nothing_is_kept():
    cost = RTRL(ost.RNN(make_cell("HGRN", 3, 4))).explain(torch.zeros(1, 1, 3))
    numbers = {each.name: each.numbers for each in cost.followed}
    # Three of five gates, and the real and the imaginary part of the state.
    assert numbers["input.weight"] == 3 * 4 * 3 * 2
    assert numbers["input.bias"] == 3 * 4 * 2


def test_it_says_what_sensitivities_are_carried_on_by():
    cost = RTRL(ost.RNN(make_cell("GRU", 3, 4))).explain(torch.zeros(1, 1, 3))
    assert "by torch's operations (the units of the state mix):" in str(cost)
