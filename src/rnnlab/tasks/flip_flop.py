"""Flip-flops: bits that keep the sign of the last pulse."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from rnnlab.plots.draw import join, line_plot
from rnnlab.ranges import PositiveInt, PositiveProbability
from rnnlab.spec import Batch, Layout, Reals, Split, TaskSpec
from rnnlab.stackable import stackable
from rnnlab.tasks.base import Mean, Task
from rnnlab.tasks.lengths import Lengths
from rnnlab.tasks.sides import side_scores


@stackable()
class FlipFlop(Task):
    """Flip-flops: each of K outputs holds the sign of the last pulse on its input.

    Sussillo and Barak (2013), section 3, whose network has a stable fixed point for each of the 2^K
    states and saddles between them. One bit, length 8:

        input    + 0 0 - 0 0 - +
        target   + + + - - - - +
        mask     x x x x x x x x

    The first step has a pulse on each input; later ones are rare. In the encoder-decoder layout the
    source is the inputs, and the decoder, whose inputs are zeros, gives the same answers.

    `accuracy` is the share of outputs with the right sign, `exact_match` that of sequences with all
    of them. The floor is the best answer from the input of the step alone.

    Args:
        num_bits: K.
        pulse_share: probability of a pulse on an input at a step.
        length: steps of a sequence.
        min_length: fewest steps, of which each batch draws a number; `null` is `length`.
    """

    lengths: Lengths
    stepwise = True
    one_length = True

    def __init__(
        self,
        layout: Layout,
        seed: int,
        *,
        num_bits: PositiveInt,
        pulse_share: PositiveProbability,
        length: PositiveInt,
        min_length: PositiveInt | None,
    ) -> None:
        super().__init__(layout, seed)
        self.lengths = Lengths.between(min_length, length)
        self.num_bits, self.pulse_share = num_bits, pulse_share
        bits, decodes = Reals(num_bits), layout == "encoder_decoder"
        self.spec = TaskSpec(
            input=Reals(1) if decodes else bits, target=bits, source=bits if decodes else None
        )
        mean = (self.lengths.least + self.lengths.most) / 2
        unseen = (1 - pulse_share) * (mean - 1) / mean
        self.floor = {"loss": unseen, "accuracy": 1 - unseen / 2}

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch; all rows have one length."""
        rng = self.rng(split, index)
        drawn = self.lengths.draw(rng)
        size = (batch_size, drawn if length is None else length, self.num_bits)
        pulses = rng.random(size) < self.pulse_share
        signs = np.where(rng.random(size) < 0.5, 1, -1)
        pulses[:, 0] = True
        last = np.where(pulses, np.arange(size[1])[:, None], 0)
        held = np.take_along_axis(signs, np.maximum.accumulate(last, axis=1), axis=1)
        inputs, target = (torch.from_numpy(x).float() for x in (signs * pulses, held))
        mask = torch.ones(size[:2], dtype=torch.bool)
        if self.layout == "stream":
            return Batch(inputs, target, mask)
        return Batch(torch.zeros_like(target[..., :1]), target, mask, inputs, mask.clone())

    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Add the share of right signs, and that of sequences with no wrong one."""
        return super().metrics(output, batch) | side_scores(output, batch)

    def show(self, batch: Batch, output: Tensor) -> Image.Image:
        """Draw what is to be held, the answers and the pulses, a panel for each bit."""
        pulses = batch.input if batch.source is None else batch.source
        pictures = []
        for row in range(min(2, len(output))):
            curves = {"target": batch.target, "answer": output, "pulses": pulses}
            panels = {
                f"bit {bit + 1}": {
                    name: part[row, :, bit].float().cpu().numpy() for name, part in curves.items()
                }
                for bit in range(min(6, output.shape[2]))
            }
            pictures.append(line_plot(panels, title=f"sequence {row + 1}", x_label="step"))
        return join(pictures, vertical=True)
