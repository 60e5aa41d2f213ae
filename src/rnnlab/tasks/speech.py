"""Speech: words are heard as formant tracks that a formula makes, and written down."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge
from PIL import Image

from rnnlab.plots.draw import join
from rnnlab.ranges import NonNegative
from rnnlab.spec import Batch, Layout, Split
from rnnlab.stackable import stackable
from rnnlab.tasks.base import Scorer
from rnnlab.tasks.error_scorer import ErrorScorer
from rnnlab.tasks.formants import CHANNELS, LETTERS, Formants, draw_tracks
from rnnlab.tasks.lengths import Lengths
from rnnlab.tasks.transcription import Heard, Transcription

Letters = Annotated[int, Ge(2)]


@stackable()
class Speech(Transcription):
    """Write down a word that is heard: formant tracks, generated and not recorded.

    `Formants` says what words and tracks are, and what is held out: words, speakers and tempi.

        source   5 numbers a frame, 2 to 8 frames a letter
        target   t a m u $

    This is no recognition of speech: no sound is analysed, and what varies is what the formula
    varies. The floor has the character error of the answer that belongs to the nearest of 2000
    training words (`character_error_nearest_neighbour`, Euclidean, padded).

    Args:
        length: most letters of a word, 2 or more; each has its own number.
        noise: standard deviation of the noise on each number; that of a formant is about 1.
    """

    lengths: Lengths
    higher_is_better: ClassVar = {**Transcription.higher_is_better, "character_error": False}

    def __init__(self, layout: Layout, seed: int, *, length: Letters, noise: NonNegative) -> None:
        super().__init__(layout, seed, LETTERS, len(CHANNELS))
        self.lengths = Lengths(2, length)
        self.formants = Formants(self.lengths, noise)

    def hear(self, split: Split, index: int, batch_size: int, length: int | None) -> Heard:
        """Draw words, speakers and tempi, and make the tracks."""
        heard = self.formants.hear(self.rng(split, index), split, batch_size, length)
        ids = np.where(heard.target < 0, self.pad, heard.target + self.num_specials)
        return heard._replace(target=ids)

    def most_symbols(self, length: int | None) -> tuple[int, int]:
        """Return the most frames that a word can have, and its letters."""
        return self.formants.most_frames(length), self.lengths.given(length).most

    def scorer(self) -> Scorer:
        """Return a scorer that adds the character error."""
        return ErrorScorer(self, "character_error", self.words)

    @cached_property
    def floor(self) -> Mapping[str, float]:  # type: ignore[override]  # computed on first use
        """Scores of symbols' frequencies by position, and of the nearest training word."""
        return {**super().floor, **self.formants.floor(self.rng)}

    def draw(self, batch: Batch, texts: Sequence[str]) -> Image.Image:
        """Draw tracks, with words."""
        plots = [draw_tracks(self.vectors(batch, row), text) for row, text in enumerate(texts[:2])]
        return join(plots)
