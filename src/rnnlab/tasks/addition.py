"""Addition tasks: of decimal numbers, of binary numbers, and of two marked numbers of a stream."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.ranges import PositiveInt
from rnnlab.spec import SPLITS, Batch, Layout, Reals, Split, TaskSpec, Tokens
from rnnlab.stackable import stackable
from rnnlab.tasks import numerals
from rnnlab.tasks.base import Mean, Task
from rnnlab.tasks.lengths import Lengths
from rnnlab.tasks.shown_by_row import ShownByRow, aligned
from rnnlab.tasks.splits import split_of
from rnnlab.tasks.transduction import Pairs, TextTransduction


@stackable()
class Addition(TextTransduction):
    """Decimal addition: `12+34` -> `46`.

    Each number draws its count of digits, then its digits, without leading zeros. A fixed hash of
    the two numbers chooses the split of a problem, 80 : 10 : 10, independent of the seed and of
    their order: a sum of train is never one of val or test.

    `answer_order` matters, since carries run from the least significant digit; a decoded answer is
    written as usual in either order. Zaremba and Sutskever (2014), Learning to execute, add numbers
    in the same way.

    Args:
        length: most digits of a number; with a `length` in `sample` all numbers have as many.
        min_length: fewest digits; `null` is 1.
        answer_order: which digit of the answer comes first.
    """

    lengths: Lengths

    def __init__(
        self,
        layout: Layout,
        seed: int,
        *,
        length: PositiveInt,
        min_length: PositiveInt | None,
        answer_order: Literal["most_significant_first", "least_significant_first"],
    ) -> None:
        self.lengths = Lengths.between(min_length, length, default=1)
        self.reversed = answer_order == "least_significant_first"
        super().__init__(layout, seed, "0123456789+")

    def decode(self, ids: Sequence[int]) -> str:
        """Return an answer as text, most significant digit first."""
        symbols = self.words(ids)
        return self.join(symbols[::-1] if self.reversed else symbols)

    def most_symbols(self, length: int | None) -> tuple[int, int]:
        """Count the symbols of two of the longest numbers with the plus, and of their sum."""
        digits = self.lengths.given(length).most
        return 2 * digits + 1, digits + 1

    def pairs(self, split: Split, index: int, batch_size: int, length: int | None) -> Pairs:
        """Draw problems until enough of them belong to the split."""
        rng = self.rng(split, index)
        lengths = self.lengths.given(length)
        draws = batch_size * (2 if split == "train" else 16)
        kept: list[np.ndarray] = []
        while sum(map(len, kept)) < batch_size:
            drawn = numerals.draw_pairs(rng, draws, lengths.least, lengths.most)
            kept.append(drawn[split_of(numerals.keys(drawn)) == SPLITS.index(split)])
        left, right = np.concatenate(kept)[:batch_size].transpose(1, 0, 2)
        total = numerals.add(left, right)
        source, source_length = self._spell_sum(left, right)
        counts = numerals.count(total)
        if not self.reversed:
            total = numerals.flip(total, counts)
        return Pairs(source, source_length, total + self.num_specials, counts)

    def alignment(self, batch: Batch) -> Tensor | None:
        """A digit depends on those at its place; a leading carry has no place in the source."""
        if batch.source is None or batch.source_mask is None:
            return None
        step = torch.arange(batch.source.shape[1], device=batch.source.device)
        is_plus = batch.source == self.num_specials + 10
        plus, end = is_plus.int().argmax(1, keepdim=True), batch.source_mask.sum(1, keepdim=True)
        place = torch.where(step < plus, plus, end) - 1 - step
        place = place.masked_fill(is_plus | ~batch.source_mask, -1)
        asked = torch.arange(batch.target.shape[1], device=step.device)
        num_digits = batch.mask.sum(1, keepdim=True) - 1  # and the end symbol
        due = asked.expand(len(end), -1) if self.reversed else num_digits - 1 - asked
        due = due.masked_fill(asked >= num_digits, -2)
        return due[:, :, None] == place[:, None]

    def _spell_sum(self, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Write `left+right` as ids, most significant digits first."""
        first, second = numerals.count(left)[:, None], numerals.count(right)[:, None]
        width = left.shape[1]
        source = np.full((len(left), 2 * width + 1), 10)  # 10 is the plus
        source[:, :width] = np.where(np.arange(width) < first, numerals.flip(left, first[:, 0]), 10)
        places = first + 1 + np.arange(width)
        np.put_along_axis(source, places, numerals.flip(right, second[:, 0]), axis=1)
        return source + self.num_specials, (first + 1 + second)[:, 0]


@stackable()
class AdditionBinary(ShownByRow):
    """The sequential adder: each step reads two bits and answers one bit of their sum.

    The least significant bits come first, so that a machine with two states, carry and no carry,
    solves it (Minsky, 1967). 3 + 6 in 3 bits, and a column of zeros for the last carry:

        input    1 1 0 0
                 0 1 1 0
        target   1 0 0 1
        mask     x x x x

    In the encoder-decoder layout the source is all columns, and the decoder reads its last bit:
    input `2 1 0 0`, where 2 is the start symbol. All rows of a batch have the same length. Splits
    have their own random generators; sums of few bits occur in all of them, so generalisation shows
    at lengths beyond those of training. The floor is the best answer from one column only.

    Args:
        length: most bits of a number.
        min_length: fewest bits, of which each batch draws a number; `null` is `length`.
    """

    lengths: Lengths
    one_length = True

    def __init__(
        self, layout: Layout, seed: int, *, length: PositiveInt, min_length: PositiveInt | None
    ) -> None:
        super().__init__(layout, seed)
        self.lengths = Lengths.between(min_length, length)
        decodes = layout == "encoder_decoder"
        self.causal = not decodes  # a decoder reads the last sum bit, which is not 0 after the end
        self.spec = TaskSpec(
            input=Tokens(3) if decodes else Reals(2),
            target=Tokens(2),
            source=Reals(2) if decodes else None,
            feedback=decodes,
        )
        self.floor = _column_floor(self.lengths.least, self.lengths.most)

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch of sums of numbers of `length` bits."""
        rng = self.rng(split, index)
        if length is None:
            length = self.lengths.draw(rng)
        bits = rng.integers(2, size=(batch_size, length, 2))
        columns = torch.zeros((batch_size, length + 1, 2))
        columns[:, :length] = torch.from_numpy(bits)
        target = torch.from_numpy(numerals.add(bits[:, :, 0], bits[:, :, 1], base=2))
        mask = torch.ones(target.shape, dtype=torch.bool)
        if self.layout == "stream":
            return Batch(columns, target, mask)
        start = torch.full((batch_size, 1), 2)
        inputs = torch.cat([start, target[:, :-1]], dim=1)
        return Batch(inputs, target, mask, columns, torch.ones_like(mask))

    def alignment(self, batch: Batch) -> Tensor | None:
        """Each bit of the sum is aligned with its column."""
        if batch.source is None:
            return None
        same = torch.eye(batch.target.shape[1], dtype=torch.bool, device=batch.source.device)
        return same.expand(len(batch.source), -1, -1)

    def labels(self, ids: Tensor) -> list[str]:
        """Return columns as their two bits."""
        if ids.dim() == 1:
            return super().labels(ids)
        return [_digits(column.int()) for column in ids]

    def show_row(self, batch: Batch, output: Tensor, row: int) -> str:
        """Align both numbers, the sum and the answer, least significant bit first."""
        columns = batch.input if batch.source is None else batch.source
        left, right = columns[row].long().unbind(1)
        answer = output[row].argmax(dim=1)
        named = {"a": left, "b": right, "a + b": batch.target[row], "answer": answer}
        wrong = int((answer != batch.target[row]).sum())
        lines = aligned({name: _digits(bits) for name, bits in named.items()})
        return lines + (f"   {wrong} wrong" if wrong else "")


@stackable()
class AdditionMarked(ShownByRow):
    """The adding problem: the sum of the two marked numbers of a long stream.

    Hochreiter and Schmidhuber (1997), experiment 4, as in Arjovsky, Shah and Bengio (2016),
    section 4.2: values are uniform in [0, 1), each half has one marker, and the last step is
    answered.

        input    .3 .7 .2 .9 .1 .5
                  0  1  0  0  1  0
        target    _  _  _  _  _ .8
        mask      .  .  .  .  .  x

    In the encoder-decoder layout the source is the whole stream and the decoder takes one step with
    input 0. The floor of `loss`, 1/6, is the squared error of always answering 1; `correct` is the
    share of answers within 0.04 of the sum.

    Args:
        length: steps, 2 or more.
        min_length: fewest steps, of which each batch draws a number; `null` is `length`.
    """

    lengths: Lengths
    stepwise = True
    one_length = True
    higher_is_better: ClassVar = {**Task.higher_is_better, "correct": True}
    tolerance = 0.04
    shown_rows = 8

    def __init__(
        self, layout: Layout, seed: int, *, length: PositiveInt, min_length: PositiveInt | None
    ) -> None:
        super().__init__(layout, seed)
        self.lengths = Lengths.between(min_length, length)
        if self.lengths.least < 2:
            raise ConfigError(f"length and min_length must be 2 or more, got {self.lengths.least}")
        decodes = layout == "encoder_decoder"
        self.spec = TaskSpec(
            input=Reals(1) if decodes else Reals(2),
            target=Reals(1),
            source=Reals(2) if decodes else None,
        )
        self.floor = {"loss": 1 / 6, "correct": 1 - (1 - self.tolerance) ** 2}

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch; all rows have one length."""
        rng = self.rng(split, index)
        if length is None:
            length = self.lengths.draw(rng)
        if length < 2:
            raise ConfigError(f"length must be 2 or more, got {length}")
        rows, half = np.arange(batch_size), length // 2
        steps = np.zeros((batch_size, length, 2), dtype=np.float32)
        steps[:, :, 0] = rng.random((batch_size, length), dtype=np.float32)
        steps[rows, rng.integers(half, size=batch_size), 1] = 1
        steps[rows, rng.integers(half, length, size=batch_size), 1] = 1
        total = (steps[:, :, 0] * steps[:, :, 1]).sum(1)
        shown = torch.from_numpy(steps)
        if self.layout == "encoder_decoder":
            answer = torch.from_numpy(total)[:, None, None]
            once = torch.ones((batch_size, 1), dtype=torch.bool)
            real = torch.ones(shown.shape[:2], dtype=torch.bool)
            return Batch(torch.zeros_like(answer), answer, once, shown, real)
        target = torch.zeros((batch_size, length, 1))
        target[:, -1, 0] = torch.from_numpy(total)
        mask = torch.zeros((batch_size, length), dtype=torch.bool)
        mask[:, -1] = True
        return Batch(shown, target, mask)

    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Add `correct`, the share of answers within 0.04 of the sum."""
        scores = super().metrics(output, batch)
        error = (output - batch.target)[batch.mask].abs()
        scores["correct"] = Mean((error < self.tolerance).float().mean(), scores["loss"].weight)
        return scores

    def alignment(self, batch: Batch) -> Tensor | None:
        """The answer depends on the marked steps."""
        return None if batch.source is None else batch.source[:, None, :, 1] > 0

    def labels(self, ids: Tensor) -> list[str]:
        """Return `x` for marked steps."""
        if ids.shape[1] == 1:
            return super().labels(ids)
        return ["x" if marked else "·" for marked in (ids[:, 1] > 0).tolist()]

    def show_row(self, batch: Batch, output: Tensor, row: int) -> str:
        """Write the marked numbers, their steps, the sum and the answer."""
        shown = batch.input if batch.source is None else batch.source
        values, marked = shown[row, :, 0], shown[row, :, 1].nonzero().flatten().tolist()
        parts = " + ".join(f"{float(values[t]):.3f} (step {t})" for t in marked)
        total, answer = float(batch.target[row, -1, 0]), float(output[row, -1, 0])
        verdict = "" if abs(answer - total) < self.tolerance else "  x"
        return f"{parts} = {total:.3f}   claims {answer:.3f}{verdict}"


def _column_floor(low: int, high: int) -> dict[str, float]:
    """Compute the scores of the best answer from one column, averaged over all lengths.

    The carry into place i is 1 with probability (1 - 2^-i) / 2, so no carry is the better guess
    everywhere. A column 00 tells a little more than others: the last one is always 00.
    """
    batches = high - low + 1
    steps = batches * (low + high) / 2
    halves = 2 * 0.5**low - 0.5**high  # sum of 2^-length
    others = (steps - 2 * batches + 2 * halves) / 2  # carries into all columns but the last
    last = (batches - halves) / 2
    weights = np.array([0.75 * steps, 0.25 * steps + batches])
    rates = np.array([0.75 * others, 0.25 * others + last]) / weights
    nats = np.array([_entropy(rate) for rate in rates])
    return {
        "loss": float(weights @ nats / weights.sum()),
        "accuracy": float(1 - weights @ rates / weights.sum()),
    }


def _entropy(p: float) -> float:
    """Return the entropy of a binary variable in nats."""
    return float(-sum(q * np.log(q) for q in (p, 1 - p) if q > 0))


def _digits(bits: Tensor) -> str:
    return "".join(map(str, bits.tolist()))
