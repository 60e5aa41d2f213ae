"""Addition as a program: write digits, announce carries, ask for the next column."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from annotated_types import Ge, Le
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from rnnlab.ranges import PositiveInt
from rnnlab.spec import Batch, Layout, Reals, Split, TaskSpec, Tokens
from rnnlab.stackable import stackable
from rnnlab.tasks.base import Mean, Task
from rnnlab.tasks.lengths import Lengths
from rnnlab.tasks.memoryless import memoryless_scores
from rnnlab.tasks.shown_by_row import ShownByRow

Base = Annotated[PositiveInt, Ge(2), Le(36)]
Ids = NDArray[np.int64]

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_ACTIONS = "CND"  # carry, next, done; their ids follow those of the digits
_COUNTED = 4096  # programs of which the floor is counted


class Programs(NamedTuple):
    """B sums and their programs.

    Attributes:
        columns: `(B, T)`, the column at each step, as `base * a + b`; `base ** 2` after the last.
        actions: `(B, T)`.
        lengths: `(B,)`, actions of each.
        digits: `(B, S, 2)`, the columns, lowest first; zeros after the last.
        counts: `(B,)`, columns of each.
    """

    columns: Ids
    actions: Ids
    lengths: Ids
    digits: Ids
    counts: Ids


@stackable()
class AdderProgram(ShownByRow):
    """Addition as a program: columns of digits are read, actions are answered.

    Cottrell and Tsung (1993), Learning simple arithmetic procedures. For each column, the lowest
    first: write the digit of the sum, announce a carry (C) if there is one, and ask for the next
    column (N); after the last one write the carry, if any, and be done (D). 13 + 23 in base 4:

        input    3 3 3 1 1 1 _ _
                 3 3 3 2 2 2 _ _
        target   2 C N 0 C N 1 D
        mask     x x x x x x x x

    Inputs are one-hot digits, zeros after the last column; a column goes when the right program
    asks for the next. With `announce=as_next` C asks for it as well, in place of N, `2 C 0 C 1 D`,
    and with `null` there is no C. Only with `as_next` is the last action before a column another
    one after a carry: who remembers that action alone (a Jordan network with `decay` 0 and teacher
    forcing, without which its logits hold more than the action) can add so, and in no other way.

    In the encoder-decoder layout the source is the columns, and the decoder reads its last action.

    Metrics: `accuracy` of actions and `exact_match` of programs; `after_carry` and `after_none`,
    the accuracies of digits, but the first of a sum, with and without a carry into their column.
    The floor is the best answer from the present column alone, counted.

    Args:
        base: of the digits.
        announce: how carries are announced; `null` for not at all.
        length: most digits of a number; each sum has its own count of columns.
        min_length: fewest digits; `null` is 1.
    """

    lengths: Lengths
    shown_rows = 8
    higher_is_better: ClassVar = {**Task.higher_is_better, "after_carry": True, "after_none": True}

    def __init__(
        self,
        layout: Layout,
        seed: int,
        *,
        base: Base,
        announce: Literal["before_next", "as_next"] | None,
        length: PositiveInt,
        min_length: PositiveInt | None,
    ) -> None:
        super().__init__(layout, seed)
        self.base, self.announce = base, announce
        self.lengths = Lengths.between(min_length, length, default=1)
        self.written = _DIGITS[:base] + _ACTIONS + "-"  # the last is the decoder's start
        pairs = torch.arange(base**2)
        one_hot = [F.one_hot(digit, base) for digit in (pairs // base, pairs % base)]
        self._codes = F.pad(torch.cat(one_hot, dim=1).float(), (0, 0, 0, 1))
        actions, column, decodes = base + 3, Reals(2 * base), layout == "encoder_decoder"
        self.spec = TaskSpec(
            input=Tokens(actions + 1) if decodes else column,
            target=Tokens(actions),
            source=column if decodes else None,
            feedback=decodes,
        )

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch; with a `length` all numbers have as many digits."""
        programs = self._programs(self.rng(split, index), batch_size, length)
        actions, mask = torch.from_numpy(programs.actions), self._mask(programs)
        if self.layout == "stream":
            return Batch(self._codes[torch.from_numpy(programs.columns)], actions, mask)
        read = F.pad(actions[:, :-1], (1, 0), value=self.base + 3).where(mask, 0)
        column = torch.from_numpy(programs.digits) @ torch.tensor([self.base, 1])
        known = torch.arange(column.shape[1]) < torch.from_numpy(programs.counts)[:, None]
        source = self._codes[column.where(known, self.base**2)]
        return Batch(read, actions, mask, source, known)

    def _programs(self, rng: np.random.Generator, batch_size: int, length: int | None) -> Programs:
        allowed = self.lengths.given(length)
        counts, most = allowed.draw_each(rng, batch_size), allowed.most
        place = np.arange(most + 1)  # of columns, and of the end as one more
        within, end = place < counts[:, None], place == counts[:, None]
        digits = rng.integers(self.base, size=(batch_size, most, 2))
        digits = np.pad(digits, ((0, 0), (0, 1), (0, 0))) * within[..., None]
        sums, carries = digits.sum(2), np.zeros((batch_size, most + 2), dtype=bool)
        for column in place:
            sums[:, column] += carries[:, column]
            carries[:, column + 1] = sums[:, column] >= self.base
        into, out = carries[:, :-1], carries[:, 1:]
        # At each place: the digit, a carry, next or done, of which some apply.
        actions = np.full((*sums.shape, 3), self.base)
        actions[..., 0] = sums % self.base
        moves = np.where(out & (self.announce == "as_next"), 0, 1)
        actions[..., 2] += np.where(end, 2, moves)
        announced = out & (self.announce == "before_next")
        applies = np.stack([within | into, announced, within | end], axis=2)
        columns = np.where(within, digits @ [self.base, 1], self.base**2)
        columns, actions, applies = (
            part.reshape(batch_size, -1)
            for part in (np.repeat(columns, 3, axis=1), actions, applies)
        )
        lengths = applies.sum(1)
        order = np.argsort(~applies, axis=1, kind="stable")[:, : lengths.max()]
        real = np.arange(order.shape[1]) < lengths[:, None]
        columns = np.where(real, np.take_along_axis(columns, order, 1), self.base**2)
        actions = np.where(real, np.take_along_axis(actions, order, 1), 0)
        return Programs(columns, actions, lengths, digits[:, : counts.max()], counts)

    def _mask(self, programs: Programs) -> Tensor:
        steps = torch.arange(programs.actions.shape[1])
        return steps < torch.from_numpy(programs.lengths)[:, None]

    def longest(self, length: int | None = None) -> int:
        """Count the steps of the longest program, or the columns of a source."""
        most = self.lengths.given(length).most
        if self.layout == "encoder_decoder":
            return most
        return (3 if self.announce == "before_next" else 2) * most + 2

    @cached_property
    def floor(self) -> Mapping[str, float]:  # type: ignore[override]  # computed on first use
        """Scores of knowing how often each action comes with a column."""
        programs = self._programs(self.rng("train", 0), _COUNTED, None)
        mask = self._mask(programs).numpy()
        pairs = np.zeros((self.base**2 + 1, self.base + 3))
        np.add.at(pairs, (programs.columns[mask], programs.actions[mask]), 1)
        return memoryless_scores(pairs)

    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Add the accuracy of digits with and without a carry into their column."""
        scores = super().metrics(output, batch)
        columns = self._columns(batch)  # (B, T, 2 * base)
        total = columns.unflatten(2, (2, self.base)).argmax(dim=3).sum(dim=2)
        digit = batch.mask & (batch.target < self.base) & columns.any(dim=2)
        digit = digit & (torch.arange(digit.shape[1], device=digit.device) > 0)
        right = output.argmax(dim=2) == batch.target
        carried = (batch.target - total) % self.base == 1
        for name, here in (("after_carry", digit & carried), ("after_none", digit & ~carried)):
            scores[name] = Mean((right & here).sum() / here.sum(), here.sum())
        return scores

    def _columns(self, batch: Batch) -> Tensor:
        """Return the column at each step of the right program, one-hot."""
        if batch.source is None:
            return batch.input
        moves = batch.target == self.base + 1
        if self.announce == "as_next":
            moves = moves | (batch.target == self.base)
        place = moves.cumsum(dim=1) - moves.long()
        columns = F.pad(batch.source, (0, 0, 0, 1))  # zeros after the last
        place = place.clamp(max=batch.source.shape[1])
        return columns.gather(1, place[..., None].expand(-1, -1, columns.shape[2]))

    def show_row(self, batch: Batch, output: Tensor, row: int) -> str:
        """Write a sum: the right program, and the model's if it is another."""
        asked = batch.mask[row]
        digits = self._columns(batch)[row].unflatten(1, (2, self.base))
        read = asked & (batch.target[row] < self.base) & digits.any((1, 2))
        numbers = digits[read].argmax(dim=2).flip(0).T.tolist()
        left, right = ("".join(_DIGITS[digit] for digit in number) for number in numbers)
        due, claim = (
            "".join(self.labels(ids[asked])) for ids in (batch.target[row], output[row].argmax(1))
        )
        verdict = "" if claim == due else f"   claims {claim}  x"
        return f"{left} + {right}: {due}{verdict}"

    def labels(self, ids: Tensor) -> list[str]:
        """Return actions, or columns as two digits."""
        if ids.dim() == 1:
            return super().labels(ids)
        digits = ids.unflatten(1, (2, self.base))
        named = ("".join(_DIGITS[i] for i in pair) for pair in digits.argmax(dim=2).tolist())
        return [name if some else "_" for name, some in zip(named, ids.any(dim=1), strict=True)]
