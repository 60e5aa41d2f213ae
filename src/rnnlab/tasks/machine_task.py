"""Tasks of a finite machine: say what it would, at each step or at the last."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from rnnlab.spec import Batch, Layout, Split, Tokens
from rnnlab.tasks.lengths import Lengths
from rnnlab.tasks.memoryless import memoryless_scores
from rnnlab.tasks.moore import NOTHING, Machine
from rnnlab.tasks.shown_by_row import ShownByRow, aligned

Answer = Literal["last", "everywhere"]


class MachineTask(ShownByRow):
    """Read random symbols, and answer as a Moore machine does, at each step or at the last.

    In the encoder-decoder layout the source is the symbols, and the decoder, whose inputs are
    zeros, gives the same answers. The floor is the best answer from the last symbol alone.

    Args:
        machine: the machine; in each state, each symbol that has a transition is equally likely.
        written: how each symbol is written, as a character.
        lengths: of which each batch draws a number.
        stride: symbols for each further unit of length; the first one has a single symbol.
        answer: which steps are answered, of those where the machine has an output.
    """

    named: ClassVar[tuple[str, str]] = "input", "target"
    lengths: Lengths
    stepwise = True
    one_length = True

    def __init__(
        self,
        layout: Layout,
        seed: int,
        *,
        machine: Machine,
        written: str,
        lengths: Lengths,
        stride: int,
        answer: Answer,
    ) -> None:
        super().__init__(layout, seed)
        self.machine = machine
        self.written = written
        self.lengths = lengths
        self.stride = stride
        self.everywhere = answer == "everywhere"
        self.scores_exact_match = self.everywhere  # of one answer: the accuracy
        self.spec = self.spec_of(Tokens(len(written)), Tokens(int(machine.outputs.max()) + 1))

    def _steps(self, length: int) -> int:
        return (length - 1) * self.stride + 1

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch; all rows have one length."""
        rng = self.rng(split, index)
        drawn = self.lengths.draw(rng)
        steps = self._steps(drawn if length is None else length)
        symbols = self.machine.strings(rng.random((batch_size, steps)))
        ids, target = map(torch.from_numpy, (symbols, self.machine.answers(symbols)))
        mask = target != NOTHING
        if not self.everywhere:
            mask[:, :-1] = False
        if self.layout == "stream":
            return Batch(ids, target.where(mask, 0), mask)
        known, asked = torch.ones_like(mask), mask[0]  # which is the same in all rows
        target = target[:, asked]
        return Batch(torch.zeros_like(target), target, mask[:, asked], ids, known)

    @cached_property
    def floor(self) -> Mapping[str, float]:  # type: ignore[override]  # computed on first use
        """Scores of the best answer from the last symbol alone, over all lengths."""
        machine, there = self.machine, self.machine.transitions != NOTHING
        state, symbol = there.nonzero()  # of each transition
        following = machine.transitions[there]
        said = machine.outputs[following]
        ends = [self._steps(n) for n in range(self.lengths.least, self.lengths.most + 1)]
        joint = np.zeros((there.shape[1], int(machine.outputs.max()) + 1))
        at = np.eye(len(there))[machine.start]
        for step in range(1, ends[-1] + 1):
            flow = (at / there.sum(1).clip(min=1))[state]
            answers = sum(step <= end if self.everywhere else step == end for end in ends)
            np.add.at(joint, (symbol, said), answers * flow * (said != NOTHING))
            at = np.bincount(following, flow, minlength=len(at))
        return memoryless_scores(joint)

    def answer_labels(self, ids: Tensor) -> list[str]:
        """Return the answers as numbers."""
        return [str(i) for i in ids.tolist()]

    def show_row(self, batch: Batch, output: Tensor, row: int) -> str:
        """Align symbols, right answers and the model's answers."""
        read = batch.input[row] if batch.source is None else batch.source[row]
        asked = batch.mask[row].tolist()
        lines = {self.named[0]: "".join(self.labels(read))}
        answers = {self.named[1]: batch.target[row], "answer": output[row].argmax(dim=1)}
        for name, ids in answers.items():
            lines[name] = _signs(ids.tolist(), asked).rjust(len(read))
        return aligned(lines)


def _signs(ids: Sequence[int], asked: Sequence[bool]) -> str:
    return "".join(str(i) if here else "." for i, here in zip(ids, asked, strict=True))
