"""Transcriptions: a sequence of vectors is read, and symbols are answered."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.spec import Batch, Layout, Reals, Split, TaskSpec
from rnnlab.tasks.transduction import Pairs, Transduction


class Heard(NamedTuple):
    """B sequences of vectors and what they say.

    Attributes:
        vectors: `(B, S, I)`, right-padded with zeros.
        lengths: `(B,)` steps of each.
        target: `(B, A)` int64 ids, right-padded.
        target_length: `(B,)` symbols.
    """

    vectors: NDArray[np.float32]
    lengths: NDArray[np.int64]
    target: NDArray[np.int64]
    target_length: NDArray[np.int64]


class Transcription(Transduction):
    """Vectors in, symbols out, until the end-of-sequence symbol `$`.

    Two vectors that say `4 6` as a stream, where the last number is 1 while the answer is asked:

        input    x1 x2 0 0 0
                 0  0  1 1 1
        target   _  _  4 6 $
        mask     .  .  x x x

    and as encoder and decoder: source `x1 x2`, input `| 4 6`, target `4 6 $`. A stream model is not
    fed its answers back; a decoder is.

    Args:
        symbols: the vocabulary without the special symbols.
        size: I, numbers of a vector.
    """

    def __init__(self, layout: Layout, seed: int, symbols: Sequence[str], size: int) -> None:
        super().__init__(layout, seed, symbols)
        if layout == "encoder_decoder":
            self.spec = replace(self.spec, source=Reals(size))
        else:
            self.spec = TaskSpec(input=Reals(size + 1), target=self.spec.target)

    @abstractmethod
    def hear(self, split: Split, index: int, batch_size: int, length: int | None) -> Heard:
        """Make the sequences of batch `index`; `length` replaces the configured length."""

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch; rows of different lengths are padded on the right."""
        heard = self.hear(split, index, batch_size, length)
        vectors = torch.from_numpy(heard.vectors)
        if self.layout == "encoder_decoder":
            return self._encoder_decoder(_blank(heard))._replace(source=vectors)
        batch = self._stream(_blank(heard))
        inputs = vectors.new_zeros(*batch.mask.shape, vectors.shape[2] + 1)
        steps = min(vectors.shape[1], inputs.shape[1])
        inputs[:, :steps, :-1] = vectors[:, :steps]
        inputs[..., -1] = batch.mask
        return batch._replace(input=inputs)

    def pairs(self, split: Split, index: int, batch_size: int, length: int | None) -> Pairs:
        """Return the answers of a batch beside blank sources."""
        return _blank(self.hear(split, index, batch_size, length))

    def prompt(self, text: str | None, num_samples: int, length: int | None) -> Batch:
        """Make a batch of test sequences."""
        if text is not None:
            raise ConfigError(f"prompt must be null, got {text!r}: the source is no text")
        return self.sample("test", 0, num_samples, length=length)

    @abstractmethod
    def draw(self, batch: Batch, texts: Sequence[str]) -> Image.Image:
        """Draw the first rows of a batch, each with a text."""

    def show(self, batch: Batch, output: Tensor) -> Image.Image:
        """Draw what is read with what it says, and the model's answer if it is another."""
        rights = self.answer_texts(batch, batch.target)
        claims = self.answer_texts(batch, output.argmax(dim=2))
        texts = [
            right if claim == right else f"{right}   x: {claim}"
            for claim, right in zip(claims, rights, strict=True)
        ]
        return self.draw(batch, texts)

    def show_answers(self, batch: Batch, answers: Tensor) -> Image.Image:
        """Draw what is read with the model's answers."""
        return self.draw(batch, self.answer_texts(batch, answers))

    def vectors(self, batch: Batch, row: int) -> NDArray[np.float32]:
        """Return the vectors `(S, I)` that a row reads."""
        read = batch.input[..., :-1] if batch.source is None else batch.source
        return read[row, : self.source_lengths(batch)[row]].cpu().numpy()


def _blank(heard: Heard) -> Pairs:
    source = np.zeros(heard.vectors.shape[:2], dtype=np.int64)
    return Pairs(source, heard.lengths, heard.target, heard.target_length)
