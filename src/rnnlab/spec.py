"""The words that task and model share: what goes in, what comes out, and a batch of it.

Letters, the same everywhere: B sequences, T steps, S source steps, I input size, H hidden size,
O output size, V vocabulary, K taps, L layers, N ensemble members. Batch first at every edge.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from torch import Tensor

Layout = Literal["stream", "encoder_decoder"]
Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class Tokens:
    """Symbols: int64 ids in `[0, vocab_size)` going in, logits `(..., V)` coming out."""

    vocab_size: int

    @property
    def size(self) -> int:
        """Width of one symbol as a one-hot vector, and of its logits."""
        return self.vocab_size


@dataclass(frozen=True)
class Reals:
    """Vectors of `size` float32 numbers."""

    size: int


Port = Tokens | Reals


@dataclass(frozen=True)
class TaskSpec:
    """What a model must know of a task to complete itself.

    Attributes:
        input: what is read at every step.
        target: what is answered at every step; `None` asks a stream for its features alone.
        source: what the encoder reads first; `None` in the stream layout.
        feedback: the answer of step t is part of input t+1 wherever `Batch.mask` is True at t.
            Tokens: it is that input. Reals: it is the input's first `target.size` numbers.
        initial: the vector that the first units of the state are clamped to before step 0.
    """

    input: Port
    target: Port | None
    source: Port | None = None
    feedback: bool = False
    initial: Reals | None = None


class Batch(NamedTuple):
    """B sequences in one of the two layouts.

    Attributes:
        input: `(B, T)` int64 or `(B, T, I)` float32, read at every step. In the encoder-decoder
            layout the previous target, after a start symbol.
        target: `(B, T)` int64 or `(B, T, O)` float32, the right answer at every step.
        mask: `(B, T)` bool, True where the model answers: the one meaning in loss, metrics and
            free running.
        source: `(B, S)` or `(B, S, I)`, what the encoder reads; encoder-decoder layout only.
        source_mask: `(B, S)` bool, True on real steps, which come first in each row.
        initial: `(B, C)` float32, what the first C units of the state are clamped to.
        target_mask: `(B, T, O)` bool, which outputs are taught; `None` means all.
        first: `(B,)` bool, True where a row begins a new sequence; `None` means that all do.
            Where it is False the row goes on from the state after the previous batch.
        weight: `(B,)` float64, one number in all rows: what the mean loss of this batch counts
            among those that are averaged for an update; `None` means 1.
    """

    input: Tensor
    target: Tensor
    mask: Tensor
    source: Tensor | None = None
    source_mask: Tensor | None = None
    initial: Tensor | None = None
    target_mask: Tensor | None = None
    first: Tensor | None = None
    weight: Tensor | None = None


def map_batch(function: Callable[[Tensor], Tensor], batch: Batch) -> Batch:
    """Apply `function` to every tensor that a batch has."""
    return Batch._make(None if part is None else function(part) for part in batch)
