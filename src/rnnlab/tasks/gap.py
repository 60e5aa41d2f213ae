"""A gap: a symbol comes again after others, and which one it was must be kept so long."""

from string import ascii_uppercase
from typing import Annotated, ClassVar

import numpy as np
import torch
from annotated_types import Ge, Le
from numpy.typing import NDArray
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.ranges import PositiveInt
from rnnlab.spec import Batch, Layout, Split, Tokens
from rnnlab.stackable import stackable
from rnnlab.tasks.base import Mean, Task
from rnnlab.tasks.lengths import Lengths
from rnnlab.tasks.memoryless import memoryless_scores
from rnnlab.tasks.shown_by_row import ShownByRow, aligned

_MOST = 23  # letters before X

Letters = Annotated[PositiveInt, Ge(2), Le(_MOST)]


@stackable()
class Gap(ShownByRow):
    """A gap: predict the next symbol, of which one is what came first.

    Mozer (1992), Induction of multiscale temporal structure. A trigger, X or Y, is followed by
    letters, of which each comes once, and after a gap by the trigger again. Six letters, gap 4:

        input    X A B C D X E
        target   A B C D X E F
        trigger          x
        mask     x x x x x x x

    In the encoder-decoder layout the source ends before the second trigger, and the decoder goes on
    from there.

    `trigger` is the accuracy on the second trigger, for which the first must be kept. Of rows in a
    batch as many begin with X as with Y, or one more: two rows with letters in order are all there
    is to learn. The floor is the best answer from the last symbol alone.

    Args:
        num_letters: letters of a sequence, 2 to 23.
        ordered: whether they come in alphabetical order, as in the paper; else each sequence has an
            order of its own, which can't be foreseen.
        length: the gap, letters between the triggers, at most `num_letters`.
    """

    lengths: Lengths
    higher_is_better: ClassVar = {**Task.higher_is_better, "trigger": True}

    def __init__(
        self,
        layout: Layout,
        seed: int,
        *,
        num_letters: Letters,
        ordered: bool,
        length: PositiveInt,
    ) -> None:
        super().__init__(layout, seed)
        self.num_letters, self.ordered = num_letters, ordered
        self.scores_exact_match = ordered  # another order can't be foreseen
        self._check(length)
        self.lengths = Lengths(length, length)
        self.symbols = self.written = ("X", "Y", *ascii_uppercase[:num_letters])
        symbols = Tokens(len(self.symbols))
        self.spec = self.spec_of(symbols, symbols)
        self.floor = self._floor() | {"trigger": 0.5}

    def _check(self, gap: int) -> None:
        if gap > self.num_letters:
            raise ConfigError(f"length must be at most num_letters={self.num_letters}, got {gap}")

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch; `length` is the gap."""
        gap = self.lengths.given(length).most
        self._check(gap)
        rng = self.rng(split, index)
        triggers = (rng.permutation(batch_size) + rng.integers(2)) % 2
        letters = np.tile(np.arange(2, len(self.symbols)), (batch_size, 1))
        if not self.ordered:
            letters = rng.permuted(letters, axis=1)
        ids = torch.from_numpy(_insert(triggers, letters, gap))
        if self.layout == "stream":
            return Batch(ids[:, :-1], ids[:, 1:], torch.ones_like(ids[:, 1:], dtype=torch.bool))
        source, target = ids[:, : gap + 1], ids[:, gap + 1 :]
        mask, known = (torch.ones_like(part, dtype=torch.bool) for part in (target, source))
        return Batch(ids[:, gap:-1], target, mask, source, known)

    def _floor(self) -> dict[str, float]:
        """Score the best answers from the last symbol, of the steps that are predicted."""
        first = self.lengths.most if self.layout == "encoder_decoder" else 0
        letters = np.tile(np.arange(2, len(self.symbols)), (2, 1))
        ids = _insert(np.arange(2), letters, self.lengths.most)[:, first:]
        pairs = np.zeros((len(self.symbols), len(self.symbols)))
        for now, after in zip(ids[:, :-1].T, ids[:, 1:].T, strict=True):
            if self.ordered:
                np.add.at(pairs, (now, after), 1)
                continue
            alike = np.zeros_like(pairs)  # each letter is as likely as another
            alike[np.ix_(*(part if part[0] < 2 else letters[0] for part in (now, after)))] = 1
            np.fill_diagonal(alike, 0)
            pairs += alike / alike.sum()
        return memoryless_scores(pairs)

    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Add the accuracy on the second trigger."""
        scores = super().metrics(output, batch)
        asked = (batch.target < 2) & batch.mask
        right = (output.argmax(dim=2) == batch.target) & asked
        scores["trigger"] = Mean(right.sum() / asked.sum(), asked.sum())
        return scores

    def alignment(self, batch: Batch) -> Tensor | None:
        """The second trigger depends on the first."""
        if batch.source is None:
            return None
        asked = (batch.target < 2) & batch.mask
        return asked[:, :, None] & (batch.source < 2)[:, None]

    def show_row(self, batch: Batch, output: Tensor, row: int) -> str:
        """Align inputs, next symbols and answers."""
        named = {"input": batch.input[row], "target": batch.target[row]}
        named["answer"] = output[row].argmax(dim=1)
        return aligned({name: " ".join(self.labels(ids)) for name, ids in named.items()})


def _insert(triggers: NDArray[np.int64], letters: NDArray[np.int64], gap: int) -> NDArray[np.int64]:
    """Put triggers `(B,)` before letters `(B, N)`, and again after so many of them."""
    one = triggers[:, None]
    return np.concatenate([one, letters[:, :gap], one, letters[:, gap:]], axis=1)
