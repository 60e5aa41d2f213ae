"""Parity: whether the number of ones is odd."""

import math
from typing import Literal

import torch
from torch import Tensor

from rnnlab.ranges import PositiveInt
from rnnlab.spec import Batch, Layout, Split, TaskSpec, Tokens
from rnnlab.stackable import stackable
from rnnlab.tasks.base import Mean, Task
from rnnlab.tasks.lengths import Lengths


@stackable()
class Parity(Task):
    """Parity: whether the number of ones so far is odd.

    Minsky and Papert (1969) for the problem; Hochreiter and Schmidhuber (1996) for recurrent
    networks. Answered everywhere, length 5:

        input    1 0 1 1 0
        target   1 1 0 1 1
        mask     x x x x x

    With `answer=last` the mask is True at the last step only. In the encoder-decoder layout the
    source is the bits, and the decoder, whose inputs are zeros, gives the same answers.

    Two states suffice, but no bit may be missed: whoever knows all bits but one knows nothing. So
    the floor is chance.

    Args:
        length: bits of a sequence.
        min_length: fewest bits, of which each batch draws a number; `null` is `length`.
        answer: which steps are answered.
    """

    lengths: Lengths
    stepwise = True
    one_length = True

    def __init__(
        self,
        layout: Layout,
        seed: int,
        *,
        length: PositiveInt,
        min_length: PositiveInt | None,
        answer: Literal["last", "everywhere"],
    ) -> None:
        super().__init__(layout, seed)
        self.lengths = Lengths.between(min_length, length)
        self.everywhere = answer == "everywhere"
        self.causal = self.everywhere
        bits = Tokens(2)
        source = bits if layout == "encoder_decoder" else None
        self.spec = TaskSpec(input=bits, target=bits, source=source)
        self.floor = {"loss": math.log(2), "accuracy": 0.5}

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch; `length` counts the bits."""
        rng = self.rng(split, index)
        drawn = self.lengths.draw(rng)
        steps = drawn if length is None else length
        bits = torch.from_numpy(rng.integers(2, size=(steps, batch_size)).T.copy())
        parity = bits.cumsum(dim=1) % 2
        mask = torch.ones_like(bits, dtype=torch.bool)
        if not self.everywhere:
            mask[:, :-1] = False
        if self.layout == "stream":
            return Batch(bits, parity.where(mask, 0), mask)
        known = torch.ones_like(mask)
        if not self.everywhere:
            parity, mask = parity[:, -1:], mask[:, -1:]
        return Batch(torch.zeros_like(parity), parity, mask, source=bits, source_mask=known)

    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Compute loss and accuracy, and with several answers the share of faultless sequences."""
        scores = super().metrics(output, batch)
        if not self.everywhere:
            del scores["exact_match"]
        return scores

    def show(self, batch: Batch, output: Tensor) -> str:
        """Align bits, right answers and the model's answers."""
        answers = output.argmax(dim=2)
        blocks = []
        for row in range(min(4, len(answers))):
            asked = batch.mask[row].tolist()
            read = batch.input[row] if batch.source is None else batch.source[row]
            lines = {"bits": "".join(map(str, read.tolist()))}
            for name, ids in (("parity", batch.target[row]), ("answer", answers[row])):
                signs = [
                    str(i) if here else "." for i, here in zip(ids.tolist(), asked, strict=True)
                ]
                lines[name] = "".join(signs).rjust(len(read))
            blocks.append("\n".join(f"{name:<8}{line}" for name, line in lines.items()))
        return "\n\n".join(blocks)
