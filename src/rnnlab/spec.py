"""The interface between tasks and models: types of input and output, and batches.

Dimensions: B sequences, T steps, S source steps, I input size, H hidden size, O output size,
V vocabulary size, K taps, L layers, N ensemble members. All public functions are batch first.
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
    """Token ids: int64 in `[0, vocab_size)` as input, logits `(..., V)` as output."""

    vocab_size: int

    @property
    def size(self) -> int:
        """Width of a one-hot vector and of the logits."""
        return self.vocab_size


@dataclass(frozen=True)
class Reals:
    """Vectors of `size` float32 numbers."""

    size: int


Port = Tokens | Reals


@dataclass(frozen=True)
class TaskSpec:
    """The input and output types of a task, from which a model takes its layer sizes.

    Attributes:
        input: type of the input at each step.
        target: type of the target at each step; `None` makes a stream model return its features
            without a readout.
        source: type of the source that the encoder reads; `None` in the stream layout.
        feedback: whether the answer of step t is fed back into input t+1 wherever `Batch.mask` is
            True at t. Tokens: it is that input. Reals: the input's first `target.size` numbers.
        initial: type of the vector that the first units of the state are clamped to before step 0.
    """

    input: Port
    target: Port | None
    source: Port | None = None
    feedback: bool = False
    initial: Reals | None = None


class Batch(NamedTuple):
    """B sequences in one of the two layouts.

    Attributes:
        input: `(B, T)` int64 or `(B, T, I)` float32. In the encoder-decoder layout the previous
            target, after a start symbol.
        target: `(B, T)` int64 or `(B, T, O)` float32.
        mask: `(B, T)` bool, True on answered steps: those count in loss and metrics, and their
            answers are fed back in free running.
        source: `(B, S)` or `(B, S, I)`, input of the encoder; encoder-decoder layout only.
        source_mask: `(B, S)` bool, True on real steps, which come first in each row.
        initial: `(B, C)` float32, values that the first C units of the state are clamped to.
        target_mask: `(B, T, O)` bool, outputs that count in the loss; `None` means all.
        first: `(B,)` bool, True where a row begins a new sequence, False where it continues from
            the state after the previous batch; `None` means that all rows begin.
        weight: `(B,)` float64, equal in all rows: the weight of this batch's mean loss among the
            batches and processes of one update; `None` means 1.
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
    """Apply `function` to every tensor of a batch that is not None."""
    return Batch._make(None if part is None else function(part) for part in batch)
