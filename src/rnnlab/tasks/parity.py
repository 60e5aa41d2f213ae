"""Parity: whether the number of ones is odd."""

import numpy as np

from rnnlab.ranges import PositiveInt
from rnnlab.spec import Layout
from rnnlab.stackable import stackable
from rnnlab.tasks.lengths import Lengths
from rnnlab.tasks.machine_task import Answer, MachineTask
from rnnlab.tasks.moore import Machine

_PARITY = Machine(np.array([[0, 1], [1, 0]]), np.arange(2), 0)


@stackable()
class Parity(MachineTask):
    """Parity: whether the number of ones so far is odd.

    Minsky and Papert (1969) for the problem; Hochreiter and Schmidhuber (1996) for recurrent
    networks. Answered everywhere, length 5:

        input    1 0 1 1 0
        target   1 1 0 1 1
        mask     x x x x x

    With `answer=last` the mask is True at the last step only. In the encoder-decoder layout the
    source is the bits, and the decoder, whose inputs are zeros, gives the same answers.

    Two states suffice, but no bit may be missed: whoever knows all bits but one knows nothing. So
    the floor, the best answer from the last bit alone, is chance but for the first step.

    Args:
        length: bits of a sequence.
        min_length: fewest bits, of which each batch draws a number; `null` is `length`.
        answer: which steps are answered.
    """

    named = "bits", "parity"

    def __init__(
        self,
        layout: Layout,
        seed: int,
        *,
        length: PositiveInt,
        min_length: PositiveInt | None,
        answer: Answer,
    ) -> None:
        super().__init__(
            layout,
            seed,
            machine=_PARITY,
            written="01",
            lengths=Lengths.between(min_length, length),
            stride=1,
            answer=answer,
        )
