"""The latching problem: a class is told at the beginning, and asked after noise."""

import numpy as np
import torch
from torch import Tensor

from rnnlab.ranges import NonNegative, PositiveInt
from rnnlab.spec import Layout, Reals, Split
from rnnlab.stackable import stackable
from rnnlab.tasks.last_answer import Drawn, LastAnswer
from rnnlab.tasks.lengths import Lengths

_SHOWN = 12  # most numbers of a line


@stackable()
class Latch(LastAnswer):
    """The latching problem: hold one bit, told by the first inputs, through noise.

    Bengio, Simard and Frasconi (1994), Learning long-term dependencies with gradient descent is
    difficult; the 2-sequence problem of Hochreiter and Schmidhuber (1997), experiment 3. The first
    steps are 1 or -1 as the class says, the others uniform noise:

        input    1 1 1 .3 -.6 .1 -.9
        target   _ _ _  _   _  _  1
        mask     . . .  .   .  .  x

    In the encoder-decoder layout the source is the sequence, and the decoder answers in one step.
    The floor is chance. Random weights solve it, too (Hochreiter and Schmidhuber, 1996), so that it
    shows what gradients find more than what networks can do.

    Args:
        told_steps: first steps that tell the class.
        noise: largest size of the noise; its standard deviation is that over the root of 3.
        length: most steps.
        min_length: fewest steps, of which each sequence draws a number; `null` is half of `length`.
    """

    lengths: Lengths

    def __init__(
        self,
        layout: Layout,
        seed: int,
        *,
        told_steps: PositiveInt,
        noise: NonNegative,
        length: PositiveInt,
        min_length: PositiveInt | None,
    ) -> None:
        super().__init__(layout, seed, read=Reals(1), classes=2)
        self.lengths = Lengths.between(min_length, length, default=(length + 1) // 2)
        self.told_steps, self.noise = told_steps, noise

    def draw(self, split: Split, index: int, batch_size: int, length: int | None) -> Drawn:
        """Draw sequences; with a `length` all have as many steps."""
        rng = self.rng(split, index)
        allowed = self.lengths.given(length)
        lengths, most = allowed.draw_each(rng, batch_size), allowed.most
        classes = rng.integers(2, size=batch_size)
        step = np.arange(most)
        values = rng.uniform(-self.noise, self.noise, size=(batch_size, most))
        values = np.where(step < self.told_steps, 2 * classes[:, None] - 1, values)
        values[step >= lengths[:, None]] = 0
        inputs = torch.from_numpy(values.astype(np.float32))[..., None]
        return Drawn(inputs, torch.from_numpy(lengths), torch.from_numpy(classes))

    def longest(self, length: int | None = None) -> int:
        """Return the most steps of a sequence."""
        return self.lengths.given(length).most

    def text(self, read: Tensor) -> str:
        """Write the first numbers."""
        numbers = " ".join(f"{value:5.2f}" for value in read[:_SHOWN, 0].tolist())
        return numbers + (f" ... ({len(read)} steps)" if len(read) > _SHOWN else "")

    def name(self, number: int) -> str:
        """Return the first number of a class."""
        return "1" if number else "-1"
