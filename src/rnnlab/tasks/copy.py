"""Copy tasks: symbols are read, and recalled after a delay."""

import math
from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge
from PIL import Image
from torch import Tensor

from rnnlab.plots.draw import heat_map
from rnnlab.ranges import Count, PositiveInt
from rnnlab.spec import Batch, Layout, Split, TaskSpec, Tokens
from rnnlab.stackable import stackable
from rnnlab.tasks.base import Mean
from rnnlab.tasks.lengths import Lengths
from rnnlab.tasks.shown_by_row import ShownByRow

NumSymbols = Annotated[PositiveInt, Ge(2)]  # one symbol needs no memory


@stackable()
class Copy(ShownByRow):
    """Copy: recall the symbols in the order in which they were read.

    Arjovsky, Shah and Bengio (2016), section 4.1, after Hochreiter and Schmidhuber (1997).
    Length 3, delay 2, symbols a-c, blank `_`, cue `:`

        input    a c b _ _ : _ _
        target   _ _ _ _ _ a c b
        mask     . . . . . x x x

    In the encoder-decoder layout the source is everything before the cue, including the delay, and
    the decoder starts with the cue and reads its last answer: source `a c b _ _`, input `: a c`,
    target `a c b`.

    With `answer=everywhere` the blanks are targets too, as in the paper, and the floor of the loss
    is the paper's, `10 ln 8 / (T + 20)`: without memory a blank costs nothing and a recalled symbol
    ln(num_symbols) nats. Accuracy counts recalled symbols only in either case.

    Args:
        num_symbols: number of different symbols.
        length: symbols to remember.
        min_length: fewest symbols, of which each batch draws a number; `null` is `length`.
        delay: blank steps between the last symbol and the cue.
        answer: which steps of the stream layout are answered.
    """

    lengths: Lengths
    stepwise = True
    one_length = True

    def __init__(
        self,
        layout: Layout,
        seed: int,
        *,
        num_symbols: NumSymbols,
        length: PositiveInt,
        min_length: PositiveInt | None,
        delay: Count,
        answer: Literal["recall", "everywhere"],
    ) -> None:
        super().__init__(layout, seed)
        self.num_symbols = num_symbols
        self.lengths = Lengths.between(min_length, length)
        self.delay = delay
        self.everywhere = answer == "everywhere" and layout == "stream"
        self.blank, self.cue = num_symbols, num_symbols + 1
        symbols = Tokens(num_symbols + 2)
        self.spec = TaskSpec(
            input=symbols,
            target=Tokens(num_symbols + 1),
            source=symbols if layout == "encoder_decoder" else None,
            feedback=layout == "encoder_decoder",
        )
        drawn = (self.lengths.least + self.lengths.most) / 2
        recalled = drawn * self.recall(np.zeros((1, 1), dtype=np.int64)).shape[1]
        answered = drawn + delay + recalled if self.everywhere else recalled
        self.floor = {
            "loss": recalled * math.log(num_symbols) / answered,
            "accuracy": 1 / num_symbols,
        }

    def recall(self, symbols: np.ndarray) -> np.ndarray:
        """Return the target after the cue, for symbols `(B, length)`."""
        return symbols

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch; all rows have one length."""
        rng = self.rng(split, index)
        if length is None:
            length = self.lengths.draw(rng)
        symbols = rng.integers(self.num_symbols, size=(batch_size, length))
        recalled = self.recall(symbols)
        before = length + self.delay
        if self.layout == "encoder_decoder":
            shown = np.full((batch_size, before), self.blank)
            shown[:, :length] = symbols
            cue = np.full((batch_size, 1), self.cue)
            return Batch(
                input=torch.from_numpy(np.concatenate([cue, recalled[:, :-1]], axis=1)),
                target=torch.from_numpy(recalled),
                mask=torch.ones(recalled.shape, dtype=torch.bool),
                source=torch.from_numpy(shown),
                source_mask=torch.ones(shown.shape, dtype=torch.bool),
            )
        inputs = np.full((batch_size, before + recalled.shape[1]), self.blank)
        inputs[:, :length] = symbols
        inputs[:, before] = self.cue
        target = np.full_like(inputs, self.blank)
        target[:, before:] = recalled
        mask = torch.zeros(target.shape, dtype=torch.bool)
        mask[:, 0 if self.everywhere else before :] = True
        return Batch(torch.from_numpy(inputs), torch.from_numpy(target), mask)

    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Add to the loss the accuracy per recalled symbol and per sequence."""
        scores = super().metrics(output, batch)
        if self.everywhere:
            recalled = batch._replace(mask=batch.target != self.blank)
            scores |= {"accuracy": super().metrics(output, recalled)["accuracy"]}
        return scores

    def show_row(self, batch: Batch, output: Tensor, row: int) -> str:
        """Align input, target and answer."""
        name, shown = ("input ", batch.input) if batch.source is None else ("source", batch.source)
        right, answered = (
            ids.masked_fill(~batch.mask[row], self.blank)
            for ids in (batch.target[row], output[row].argmax(dim=1))
        )
        return (
            f"{name} {self._text(shown[row])}\n"
            f"target {self._text(right)}\n"
            f"answer {self._text(answered)}"
        )

    def picture(self, batch: Batch, output: Tensor) -> Image.Image:
        """Draw the probability of the right symbol at each recalled step, one row per sequence."""
        recalled = (batch.target[0] != self.blank) & batch.mask[0]
        right = output.softmax(dim=2).gather(2, batch.target[..., None]).squeeze(2)
        return heat_map(
            right[:, recalled].cpu().numpy(),
            row_labels=[str(row + 1) for row in range(right.shape[0])],
            column_labels=[str(step + 1) for step in range(int(recalled.sum()))],
            title="probability of the right symbol: sequences down, recalled steps across",
            limits=(0, 1),
        )

    def labels(self, ids: Tensor) -> list[str]:
        """Return symbols as letters, numbers after z; `_` is the blank, `:` the cue."""
        names = {self.blank: "_", self.cue: ":"}
        return [names.get(i, chr(ord("a") + i) if i < 26 else str(i)) for i in ids.tolist()]

    def alignment(self, batch: Batch) -> Tensor | None:
        """Each answer depends on one symbol of the source."""
        if batch.source is None:
            return None
        shown = np.arange(batch.source.shape[1] - self.delay)
        right = torch.from_numpy(self.recall(shown[None])[0]).to(batch.source.device)
        steps = torch.arange(batch.source.shape[1], device=right.device)
        return (right[:, None] == steps).expand(len(batch.source), -1, -1)

    def _text(self, symbols: Tensor) -> str:
        return " ".join(self.labels(symbols))


@stackable()
class CopyReverse(Copy):
    """Copy in reverse: recall the last symbol first.

    input    a c b _ _ : _ _
    target   _ _ _ _ _ b c a
    mask     . . . . . x x x

    Graves, Wayne and Danihelka (2014) and Zaremba and Sutskever (2015) use it to distinguish a
    stack from a queue. Arguments as `Copy`.
    """

    def recall(self, symbols: np.ndarray) -> np.ndarray:
        """Return the symbols in reverse order."""
        return symbols[:, ::-1].copy()


@stackable()
class CopyRepeat(Copy):
    """Repeat copy: recall the symbols several times.

    input    a c b _ _ : _ _ _ _ _
    target   _ _ _ _ _ a c b a c b
    mask     . . . . . x x x x x x

    Graves, Wayne and Danihelka (2014), section 4.2, with a fixed number of repeats.

    Args:
        repeats: how often the symbols are recalled; all others as in `Copy`.
    """

    def __init__(
        self,
        layout: Layout,
        seed: int,
        *,
        repeats: PositiveInt,
        num_symbols: NumSymbols,
        length: PositiveInt,
        min_length: PositiveInt | None,
        delay: Count,
        answer: Literal["recall", "everywhere"],
    ) -> None:
        self.repeats = repeats
        super().__init__(
            layout,
            seed,
            num_symbols=num_symbols,
            length=length,
            min_length=min_length,
            delay=delay,
            answer=answer,
        )

    def recall(self, symbols: np.ndarray) -> np.ndarray:
        """Return the symbols `repeats` times."""
        return np.tile(symbols, (1, self.repeats))
