"""Associative memory: patterns as attractors of the state."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.random_streams import generator
from rnnlab.ranges import PositiveInt, Probability
from rnnlab.spec import Batch, Layout, Reals, Split, TaskSpec
from rnnlab.stackable import stackable
from rnnlab.tasks.base import Mean
from rnnlab.tasks.lengths import Lengths
from rnnlab.tasks.shown_by_row import ShownByRow
from rnnlab.tasks.sides import side_scores

Numbers = NDArray[np.float64]


@stackable()
class AttractorMemory(ShownByRow):
    """Associative memory: complete a corrupted pattern and keep it.

    After Hopfield (1982), but the weights are learnt by backpropagation through time. 5 bits `+`
    and `-`, one of them flipped, length 4, `answer_last` 2:

        initial  + + + - +
        input    0 0 0 0
        target   _ _ p p     p is + - + - +
        mask     . . x x

    The first units of the state are clamped to the clue, the corrupted pattern; the input is zero.
    With `clamped_bits` the clue is only the beginning of the pattern. An encoder-decoder model has
    no state to clamp: its encoder reads the clue in one step. A net whose point attractors are the
    patterns keeps them at any greater length; if few steps are answered, a net may learn to pass
    through the pattern at the right moment.

    The patterns are distinct, random, determined by the seed, and the same in all splits; clues
    are drawn for each split. Fewer patterns are the first of more. `accuracy` is the share of bits
    with the right sign, `exact_match` that of clues with all bits right at all answered steps. The
    floor is the best answer to each bit from its own clue and its frequency of `+`, without
    association. Recall decreases with the load, num_patterns / pattern_size.

    Args:
        num_patterns: number of patterns to store.
        pattern_size: bits of a pattern, +1 or -1.
        clamped_bits: bits of the clue, the first of the pattern; `null` for all.
        corruption: whether a corrupted bit has the opposite sign or is 0.
        corrupted_share: probability that a bit is corrupted.
        length: steps of a sequence.
        answer_last: number of last steps that are answered; `null` for all.
        taught_bits: bits that count in loss and metrics, the first of the pattern; `null` for all.
    """

    lengths: Lengths

    def __init__(
        self,
        layout: Layout,
        seed: int,
        *,
        num_patterns: PositiveInt,
        pattern_size: PositiveInt,
        clamped_bits: PositiveInt | None,
        corruption: Literal["flip", "blank"],
        corrupted_share: Probability,
        length: PositiveInt,
        answer_last: PositiveInt | None,
        taught_bits: PositiveInt | None,
    ) -> None:
        super().__init__(layout, seed)
        _check_most("num_patterns", num_patterns, 2 ** min(pattern_size, 53), "2 ** pattern_size")
        for name, bits in (("clamped_bits", clamped_bits), ("taught_bits", taught_bits)):
            _check_most(name, bits, pattern_size, "pattern_size")
        _check_most("answer_last", answer_last, length, "length")
        self.clamped_bits = clamped_bits or pattern_size
        self.taught_bits = taught_bits or pattern_size
        self.flips = corruption == "flip"
        self.corrupted_share = corrupted_share
        self.lengths = Lengths(length, length)
        self.answer_last = answer_last
        self.patterns = _draw_patterns(generator(seed, "task", 0), num_patterns, pattern_size)
        self.symbols = [_signs(pattern) for pattern in self.patterns]
        clue, decodes = Reals(self.clamped_bits), layout == "encoder_decoder"
        self.spec = TaskSpec(
            input=Reals(pattern_size),
            target=Reals(pattern_size),
            source=clue if decodes else None,
            initial=None if decodes else clue,
        )
        self.floor = self._floor()

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch of clues; `answer_last` steps are answered at any length."""
        rng = self.rng(split, index)
        steps = self.lengths.given(length).most
        right = self.patterns[rng.integers(len(self.patterns), size=batch_size)]
        corrupted = rng.random(size=(batch_size, self.clamped_bits)) < self.corrupted_share
        clue = right[:, : self.clamped_bits] * np.where(corrupted, -1 if self.flips else 0, 1)
        target = torch.from_numpy(right).float()[:, None].repeat(1, steps, 1)
        batch = Batch(
            input=torch.zeros_like(target),
            target=target,
            mask=(torch.arange(steps) >= steps - (self.answer_last or steps)).repeat(batch_size, 1),
            target_mask=(torch.arange(target.shape[2]) < self.taught_bits).expand_as(target),
        )
        clues = torch.from_numpy(clue).float()
        if self.layout == "stream":
            return batch._replace(initial=clues)
        return batch._replace(
            source=clues[:, None], source_mask=torch.ones(batch_size, 1, dtype=torch.bool)
        )

    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Add the share of right bits, and that of clues with all bits right."""
        return super().metrics(output, batch) | side_scores(output, batch)

    def show_row(self, batch: Batch, output: Tensor, row: int) -> str:
        """Align clue, answer at the last step, and pattern."""
        clues = batch.initial if batch.source is None else batch.source[:, 0]
        assert clues is not None
        answer, right = output[row, -1].sign(), batch.target[row, -1]
        wrong = int((answer != right)[: self.taught_bits].sum())
        return (
            f"clue     {_signs(clues[row])}\n"
            f"answer   {_signs(answer)}{f'   {wrong} wrong' if wrong else ''}\n"
            f"pattern  {_signs(right)}"
        )

    def _floor(self) -> dict[str, float]:
        """Compute the scores of the best answer to each bit from its own clue.

        For a clue that occurs together with + and - with probabilities a and b, the best number has
        a squared error of 4 a b / (a + b), and the best sign is right with probability max(a, b).
        """
        plus = (self.patterns[:, : self.taught_bits] > 0).mean(axis=0)
        minus = 1 - plus
        clamped = np.arange(self.taught_bits) < self.clamped_bits
        lost = np.where(clamped, self.corrupted_share, 0.5 if self.flips else 1.0)
        kept = 1 - lost
        if self.flips:
            joint = [(plus * kept, minus * lost), (plus * lost, minus * kept)]
        else:
            joint = [(plus * kept, 0 * kept), (0 * kept, minus * kept), (plus * lost, minus * lost)]
        costs = [4 * a * b / np.maximum(a + b, 1e-300) for a, b in joint]
        rights = [np.maximum(a, b) for a, b in joint]
        return {name: float(sum(x).mean()) for name, x in (("loss", costs), ("accuracy", rights))}


def _signs(bits: Tensor | Numbers) -> str:
    """Return signs as `+` and `-`, and 0 as `.`."""
    return "".join("+" if bit > 0 else "-" if bit < 0 else "." for bit in bits.tolist())


def _draw_patterns(rng: np.random.Generator, count: int, size: int) -> Numbers:
    """Draw distinct rows of +1 and -1; the first rows don't depend on `count`."""
    drawn = np.zeros((0, size), dtype=bool)
    while len(drawn) < count:
        drawn = np.concatenate([drawn, rng.random((count, size)) < 0.5])
        _, first = np.unique(drawn, axis=0, return_index=True)
        drawn = drawn[np.sort(first)]
    return np.where(drawn[:count], 1.0, -1.0)


def _check_most(name: str, value: int | None, most: int, meaning: str) -> None:
    if value is not None and value > most:
        raise ConfigError(f"{name} must be at most {meaning}={most}, got {value}")
