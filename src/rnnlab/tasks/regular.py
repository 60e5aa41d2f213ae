"""Regular languages: what a machine with a handful of states makes of its symbols."""

from functools import cache
from itertools import product
from typing import Literal

import numpy as np

from rnnlab.ranges import PositiveInt
from rnnlab.spec import Layout
from rnnlab.stackable import stackable
from rnnlab.tasks.lengths import Lengths
from rnnlab.tasks.machine_task import Answer, MachineTask
from rnnlab.tasks.moore import NOTHING, Machine

Language = Literal["even_pairs", "cycle_navigation", "modular_arithmetic"]
_WRITTEN: dict[Language, str] = {
    "even_pairs": "ab",
    "cycle_navigation": "0+-",
    "modular_arithmetic": "01234+-*",
}
_PLACES = 5  # of the circle; arithmetic is modulo as many


@stackable()
class Regular(MachineTask):
    """Regular languages of Deletang et al. (2023), beside parity, which is a task of its own.

    `even_pairs`: whether the neighbours ab and ba are even in number, which they are if the first
    symbol is the last. `cycle_navigation`: where one is on a circle of five places after steps
    ahead (+), back (-) and none (0). `modular_arithmetic`: the value modulo 5 of numbers joined by
    +, - and *, which binds closer; the value so far is answered after each number.

        input    a b b a     + + 0 -     3 * 4 - 1
        target   1 0 0 1     1 2 2 1     3 . 2 . 1
        mask     x x x x     x x x x     x . x . x

    With `answer=last` the mask is True at the last step only, as in the paper. In the
    encoder-decoder layout the source is the symbols, and the decoder, whose inputs are zeros, gives
    the same answers. The floor is the best answer from the last symbol alone.

    Args:
        language: `even_pairs`, `cycle_navigation` or `modular_arithmetic`.
        length: symbols of a sequence, or numbers.
        min_length: fewest, of which each batch draws a number; `null` is `length`.
        answer: which steps are answered.
    """

    def __init__(
        self,
        layout: Layout,
        seed: int,
        *,
        language: Language,
        length: PositiveInt,
        min_length: PositiveInt | None,
        answer: Answer,
    ) -> None:
        super().__init__(
            layout,
            seed,
            machine=_machine(language),
            written=_WRITTEN[language],
            lengths=Lengths.between(min_length, length),
            stride=2 if language == "modular_arithmetic" else 1,
            answer=answer,
        )


@cache
def _machine(language: Language) -> Machine:
    if language == "cycle_navigation":
        places = np.arange(_PLACES)
        return Machine((places[:, None] + np.array([0, 1, -1])) % _PLACES, places, 0)
    if language == "even_pairs":  # start, then the first symbol and the last: aa, ab, ba, bb
        return Machine(
            np.array([[1, 4], [1, 2], [1, 2], [3, 4], [3, 4]]), np.array([NOTHING, 1, 0, 0, 1]), 0
        )
    return _arithmetic()


def _arithmetic() -> Machine:
    """Return the machine of sums of products.

    After a number it knows the sum of what is closed, and the product that is open; after an
    operator the sum, and the factor of the next number: 1 after +, -1 after -, the product after *.
    """
    size = _PLACES**2
    transitions = np.full((2 * size, _PLACES + 3), NOTHING)
    for total, factor in product(range(_PLACES), repeat=2):
        state = total * _PLACES + factor  # an operator was last; of a number it is that plus `size`
        for number in range(_PLACES):
            transitions[state, number] = size + total * _PLACES + factor * number % _PLACES
        closed = (total + factor) % _PLACES * _PLACES
        after = [closed + 1, closed + _PLACES - 1, state]  # of + - *
        transitions[size + state, _PLACES:] = after
    values = np.add.outer(np.arange(_PLACES), np.arange(_PLACES)).ravel() % _PLACES
    return Machine(transitions, np.append(np.full(size, NOTHING), values), 1)
