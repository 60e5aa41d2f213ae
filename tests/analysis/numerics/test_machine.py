"""Minimal machines against a search over all strings, and against the textbook's."""

import numpy as np
import pytest

from rnnlab.analysis.numerics.machine import (
    arrows,
    minimise,
    refine,
    to_dot,
)
from rnnlab.tasks.moore import NOTHING, Machine
from tests.analysis.numerics.machines import ADDER, MOD_3, PARITY, distinguish
from tests.analysis.numerics.machines import draw_machine as draw
from tests.dear import dear_but


def classes_by_strings(machine: Machine) -> set[tuple[int, ...]]:
    """Tell states apart by answers to ever longer strings, one symbol more a time (Moore, 1956)."""
    classes = machine.outputs.tolist()
    for _ in classes:
        seen = [
            (own, *(classes[state] for state in row))
            for own, row in zip(classes, machine.transitions.tolist(), strict=True)
        ]
        numbers = {signature: number for number, signature in enumerate(dict.fromkeys(seen))}
        classes = [numbers[signature] for signature in seen]
    return {tuple(np.flatnonzero(np.array(classes) == c).tolist()) for c in set(classes)}


@pytest.mark.parametrize("seed", dear_but(range(10), range(40)))
def test_refinement_finds_the_classes_that_moore_finds_string_by_string(seed: int) -> None:
    machine = draw(seed)
    of = refine(machine.transitions, machine.outputs)
    found = {tuple(np.flatnonzero(of == number).tolist()) for number in set(of.tolist())}
    assert found == classes_by_strings(machine)


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("seed", dear_but(range(10), range(40)))
def test_a_minimal_machine_answers_alike_with_no_two_states_alike(
    seed: int, missing: float
) -> None:
    machine = draw(seed, missing=missing)
    smallest, new = minimise(machine)
    strings = np.random.default_rng(1).integers(machine.transitions.shape[1], size=(200, 15))
    np.testing.assert_array_equal(smallest.answers(strings), machine.answers(strings))
    assert distinguish(machine, smallest) is None
    again, _ = minimise(smallest)
    np.testing.assert_array_equal(again.transitions, smallest.transitions)
    for a in range(len(smallest.outputs)):
        for b in range(a):
            apart = distinguish(
                Machine(smallest.transitions, smallest.outputs, a),
                Machine(smallest.transitions, smallest.outputs, b),
            )
            assert smallest.outputs[a] != smallest.outputs[b] or apart is not None
    assert new[machine.start] == smallest.start == 0


@pytest.mark.parametrize("seed", dear_but(range(10), range(20)))
def test_two_machines_of_one_meaning_come_out_the_same(seed: int) -> None:
    machine = draw(seed)
    order = np.random.default_rng(seed).permutation(len(machine.outputs))
    place = np.argsort(order)
    shuffled = Machine(
        place[machine.transitions[order]], machine.outputs[order], int(place[machine.start])
    )
    one, other = minimise(machine)[0], minimise(shuffled)[0]
    np.testing.assert_array_equal(one.transitions, other.transitions)
    np.testing.assert_array_equal(one.outputs, other.outputs)


def test_the_example_of_the_textbook_has_five_states() -> None:
    """Hopcroft, Motwani and Ullman (2001), fig. 4.8: A and E, B and H, D and F are alike."""
    a, b, c, d, e, f, g, h = range(8)
    transitions = np.array([[b, f], [g, c], [a, c], [c, g], [h, f], [c, g], [g, e], [g, c]])
    machine = Machine(transitions, np.array([0, 0, 1, 0, 0, 0, 0, 0]), a)
    smallest, new = minimise(machine)
    assert len(smallest.outputs) == 5
    assert new[a] == new[e]
    assert new[b] == new[h]
    assert new[d] == new[f]


def test_a_shortest_string_tells_machines_apart() -> None:
    assert distinguish(PARITY, MOD_3) == [1, 1]
    assert distinguish(PARITY, PARITY) is None


def test_a_start_that_is_never_asked_is_the_state_from_which_the_same_follows() -> None:
    transitions = np.vstack([ADDER.transitions, ADDER.transitions[0]])
    machine = Machine(transitions, np.append(ADDER.outputs, NOTHING), 4)
    smallest, _ = minimise(machine)
    assert len(smallest.outputs) == 4
    assert smallest.outputs[0] == 0
    assert distinguish(smallest, ADDER) is None
    returned = Machine(np.array([[1], [0]]), np.array([NOTHING, 1]), 0)
    assert len(minimise(returned)[0].outputs) == 2  # asked again later, it stays


def test_the_adder_adds() -> None:
    smallest, _ = minimise(ADDER)
    assert len(smallest.outputs) == 4
    rng = np.random.default_rng(0)
    bits = rng.integers(2, size=(50, 12, 2))
    bits[:, -1] = 0
    weights = 2 ** np.arange(12)
    answered = smallest.answers(bits[..., 0] * 2 + bits[..., 1])
    np.testing.assert_array_equal(answered @ weights, (bits.sum(2) @ weights))


def test_after_what_it_does_not_know_a_machine_says_nothing() -> None:
    machine = Machine(np.array([[0, NOTHING]]), np.array([7]), 0)
    answered = machine.answers(np.array([[0, 0, 1, 0], [0, -1, 0, 0]]))
    assert answered.tolist() == [[7, 7, -1, -1], [7, -1, -1, -1]]


def test_arrows_between_two_states_are_one() -> None:
    assert arrows(ADDER)[1, 1] == [1, 2]
    assert arrows(Machine(np.array([[NOTHING, 0]]), np.array([0]), 0)) == {(0, 0): [1]}


def test_dot_names_states_answers_and_symbols() -> None:
    assert to_dot(PARITY, ["0", '"'], ["even", "odd"]).splitlines() == [
        "digraph automaton {",
        "  rankdir=LR;",
        "  node [shape=circle];",
        '  start [shape=point, label=""];',
        "  start -> q0;",
        '  q0 [label="even"];',
        '  q1 [label="odd"];',
        '  q0 -> q0 [label="0"];',
        '  q0 -> q1 [label="\\""];',
        '  q1 -> q1 [label="0"];',
        '  q1 -> q0 [label="\\""];',
        "}",
    ]
