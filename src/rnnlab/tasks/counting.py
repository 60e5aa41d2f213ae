"""Counting: strings a^n b^n and their like, whose next symbols follow from a count alone."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnlab.ranges import PositiveInt
from rnnlab.spec import Batch, Layout, Reals, Split, Tokens
from rnnlab.stackable import stackable
from rnnlab.tasks.base import Mean
from rnnlab.tasks.lengths import Lengths
from rnnlab.tasks.shown_by_row import ShownByRow, aligned
from rnnlab.tasks.sides import side_scores

Language = Literal["anbn", "anbncn", "anbncndn", "anb2n"]
_BLOCKS: dict[Language, tuple[int, ...]] = {  # letters of each block, as multiples of n
    "anbn": (1, 1),
    "anbncn": (1, 1, 1),
    "anbncndn": (1, 1, 1, 1),
    "anb2n": (1, 2),
}
_SYMBOLS = "$abcd"  # `$` before the first letter, and after the last


@stackable()
class Counting(ShownByRow):
    """Counting: say which symbols can come next in a string of a^n b^n or a^n b^n c^n.

    Gers and Schmidhuber (2001). An output for each symbol is 1 if it can come next, else 0. n = 2,
    `$` begins and ends a string:

        input    $ a a b b
        target   a a a b $
                   b b
        mask     x x x x x

    In the encoder-decoder layout the source is `$` and the letters a, and the decoder goes on from
    the last a.

    `accuracy` is the share of outputs on the right side of 0.5, `exact_match` that of strings with
    all of them right at all steps. A network that counts has it for numbers far above those of
    training; one that memorised its strings doesn't. The floor is the best answer from the last
    symbol alone.

    Args:
        language: `anbn`, `anbncn`, `anbncndn`, or `anb2n`, a^n b^2n.
        length: largest n; each string draws its own. With a `length` in `sample` it is n.
        min_length: smallest n; `null` is 1.
    """

    lengths: Lengths
    stepwise = True
    written = _SYMBOLS

    def __init__(
        self,
        layout: Layout,
        seed: int,
        *,
        language: Language,
        length: PositiveInt,
        min_length: PositiveInt | None,
    ) -> None:
        super().__init__(layout, seed)
        self.blocks = _BLOCKS[language]
        self.lengths = Lengths.between(min_length, length, default=1)
        size = len(self.blocks) + 1
        self.spec = self.spec_of(Tokens(size), Reals(size))
        self.floor = self._floor()

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch of strings, padded on the right."""
        lengths = self.lengths.given(length)
        return self._batch(lengths.draw_each(self.rng(split, index), batch_size))

    def _batch(self, numbers: NDArray[np.int64]) -> Batch:
        """Make the strings of numbers n, `(B,)`."""
        ends = numbers[:, None] * np.cumsum(self.blocks)
        step = np.arange(ends[:, -1].max() + 1)
        following = 1 + (step[:, None] >= ends[:, None]).sum(2)
        following[step >= ends[:, -1:]] = 0
        ids = np.pad(following[:, :-1], ((0, 0), (1, 0)))
        legal = np.eye(len(self.blocks) + 1, dtype=np.float32)[following]
        legal[ids == 1, 1:3] = 1  # after a comes a or b
        mask = step <= ends[:, -1:]
        legal[~mask] = 0
        if self.layout == "stream":
            return Batch(*map(torch.from_numpy, (ids, legal, mask)))
        known = step[: numbers.max() + 1] <= numbers[:, None]
        source = ids[:, : known.shape[1]] * known
        rows = np.arange(len(ids))[:, None]
        rest = numbers[:, None] + step[: (ends[:, -1] - numbers).max() + 1]
        kept = rest <= ends[:, -1:]
        rest = np.where(kept, rest, 0)
        parts = ids[rows, rest], legal[rows, rest] * kept[..., None], kept, source, known
        return Batch(*map(torch.from_numpy, parts))

    def longest(self, length: int | None = None) -> int:
        """Count the symbols that a model reads of the longest string."""
        most = self.lengths.given(length).most
        return 1 + most * (sum(self.blocks) if self.layout == "stream" else 1)

    def _floor(self) -> dict[str, float]:
        """Score the mean target after each symbol, each n as often as another."""
        batch = self._batch(np.arange(self.lengths.least, self.lengths.most + 1))
        ids, legal = batch.input[batch.mask], batch.target[batch.mask]
        own = torch.eye(legal.shape[1])[ids]  # (steps, V)
        shares = ((own.T @ legal) / own.sum(0).clamp(min=1)[:, None])[ids]
        return {
            "loss": float((legal - shares).square().mean()),
            "accuracy": float(((shares > 0.5) == (legal > 0.5)).float().mean()),
        }

    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Add the share of outputs, and of whole strings, on the right side of 0.5."""
        return super().metrics(output, batch) | side_scores(output, batch, 0.5)

    def show_row(self, batch: Batch, output: Tensor, row: int) -> str:
        """Write what can come next after each symbol, and what the model says where it differs."""
        asked = batch.mask[row]
        parts = (batch.target, output)
        due, claim = ([self._set(step) for step in part[row][asked]] for part in parts)
        cells = {"input": self.labels(batch.input[row][asked]), "next": due}
        if claim != due:
            cells["answer"] = claim
        lines = {n: " ".join(f"{cell:<2}" for cell in line) for n, line in cells.items()}
        return aligned({name: line.rstrip() for name, line in lines.items()})

    def _set(self, outputs: Tensor) -> str:
        """Return the symbols whose outputs are above 0.5; `.` if there is none."""
        named = zip(_SYMBOLS, outputs.tolist(), strict=False)
        return "".join(symbol for symbol, output in named if output > 0.5) or "."
