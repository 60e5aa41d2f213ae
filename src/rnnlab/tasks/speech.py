"""Speech: words are heard as formant tracks that a formula makes, and written down."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from rnnlab.plots.draw import join, line_plot
from rnnlab.random_streams import generator
from rnnlab.ranges import NonNegative
from rnnlab.spec import SPLITS, Batch, Layout, Split
from rnnlab.stackable import stackable
from rnnlab.tasks.base import Scorer
from rnnlab.tasks.classifiers import nearest_neighbour
from rnnlab.tasks.error_scorer import ErrorScorer
from rnnlab.tasks.lengths import Lengths
from rnnlab.tasks.splits import mix, split_of
from rnnlab.tasks.text_scores import error_rate
from rnnlab.tasks.transcription import Heard, Transcription

# F1, F2, F3 in Hz; amplitudes of voice and of noise; duration in frames. Vowels as of men in
# Peterson and Barney (1952); consonants by the loci that their formants come from and go to.
_SOUNDS: dict[str, tuple[float, ...]] = {
    "a": (730, 1090, 2440, 1.0, 0.0, 6),
    "e": (530, 1840, 2480, 1.0, 0.0, 6),
    "i": (270, 2290, 3010, 0.9, 0.0, 6),
    "o": (570, 840, 2410, 1.0, 0.0, 6),
    "u": (300, 870, 2240, 0.9, 0.0, 6),
    "f": (350, 1000, 2300, 0.0, 0.5, 4),
    "k": (300, 2200, 2500, 0.0, 0.0, 4),
    "l": (350, 1100, 2800, 0.7, 0.0, 4),
    "m": (250, 1000, 2200, 0.5, 0.0, 4),
    "n": (250, 1700, 2600, 0.5, 0.0, 4),
    "s": (350, 1700, 2600, 0.0, 1.0, 4),
    "t": (300, 1700, 2800, 0.0, 0.1, 4),
}
_VOWELS = "aeiou"
_CHANNELS = ("F1", "F2", "F3", "voice", "noise")
_SPREAD = 0.35  # of the logarithm of a formant, which becomes 1
_SPEAKERS: Mapping[Split, range] = {
    "train": range(80),
    "val": range(80, 90),
    "test": range(90, 100),
}
_TRACT, _ACCENT = 0.12, 0.03  # deviation of the logarithm of all formants, and of a letter's
_UNEVEN = 0.15  # deviation of the logarithm of a duration
_FEWEST, _MOST = 2, 8  # frames of a letter
_GLIDE = 0.5  # share of the way to its goal that a track goes in a frame
_CANDIDATES = 16  # words drawn for each that is wanted, of which most are of another split
_COMPARED: Mapping[Split, int] = {"train": 2000, "test": 500}

Letters = Annotated[int, Ge(2)]


@stackable()
class Speech(Transcription):
    """Write down a word that is heard: formant tracks, generated and not recorded.

    Words of vowels and consonants in turn are random, `tamu`, `isol`. Each letter has goals for
    three formants, voice and noise (tables in this file), and lasts some frames of 20 ms; tracks
    glide towards their goals, so that a letter sounds otherwise beside others. A speaker multiplies
    all formants by one number (the length of the vocal tract, some 12 %) and each letter's by
    another (accent), a tempo multiplies durations, and noise is added to each frame.

        source   5 numbers a frame, 2 to 8 frames a letter
        target   t a m u $

    Test words, speakers and tempi are others than those of train: a fixed hash of a word chooses
    its split; 80 speakers are of train, 10 of val, 10 of test; tempi of train are 0.8 to 1.25 times
    the durations, the others 0.7 to 0.8 or 1.25 to 1.4 times. This is no recognition of speech: no
    sound is analysed, and what varies is what the formula varies.

    The floor has the character error of the answer that belongs to the nearest of 2000 training
    words (`character_error_nearest_neighbour`, Euclidean, padded).

    Args:
        length: most letters of a word, 2 or more; each has its own number.
        noise: standard deviation of the noise on each number; that of a formant is about 1.
    """

    lengths: Lengths
    higher_is_better: ClassVar = {**Transcription.higher_is_better, "character_error": False}

    def __init__(self, layout: Layout, seed: int, *, length: Letters, noise: NonNegative) -> None:
        super().__init__(layout, seed, list(_SOUNDS), len(_CHANNELS))
        self.noise = noise
        self.lengths = Lengths(2, length)
        table = np.array(list(_SOUNDS.values()))
        self._goals = table[:, :5].copy()
        logs = np.log(table[:, :3])
        self._goals[:, :3] = (logs - logs.mean(0)) / _SPREAD
        self._frames = table[:, 5]
        rng = generator(0, "task", 0)  # the same speakers for all seeds
        count = sum(map(len, _SPEAKERS.values()))
        self._tracts = rng.normal(0, _TRACT / _SPREAD, size=count)
        self._accents = rng.normal(0, _ACCENT / _SPREAD, size=(count, len(table), 3))

    def hear(self, split: Split, index: int, batch_size: int, length: int | None) -> Heard:
        """Draw words, speakers and tempi, and make the tracks."""
        rng = self.rng(split, index)
        words, lengths = self._words(rng, split, batch_size, length)
        speakers = rng.choice(_SPEAKERS[split], size=batch_size)
        tempi = rng.uniform(0.8, 1.25, size=batch_size)
        if split != "train":
            fast = rng.random(batch_size) < 0.5
            low, high = np.where(fast, 0.7, 1.25), np.where(fast, 0.8, 1.4)
            tempi = low + (high - low) * rng.random(batch_size)
        tracks, frames = self._tracks(rng, words, lengths, speakers, tempi)
        target = np.where(words < 0, self.pad, words + self.num_specials)
        return Heard(tracks, frames, target, lengths)

    def _words(
        self, rng: np.random.Generator, split: Split, batch_size: int, length: int | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw words of the split: letters `(B, L)`, -1 after the end, and lengths `(B,)`."""
        least, most = (self.lengths.least, self.lengths.most) if length is None else (length,) * 2
        found: list[NDArray[np.int64]] = []
        while sum(map(len, found)) < batch_size:
            size = _CANDIDATES * batch_size
            vowels = rng.integers(len(_VOWELS), size=(size, most))
            consonants = rng.integers(len(_VOWELS), len(_SOUNDS), size=(size, most))
            vocal = (np.arange(most) + rng.integers(2, size=(size, 1))) % 2 == 0
            lengths = rng.integers(least, most + 1, size=(size, 1))
            words = np.where(vocal, vowels, consonants)
            words[np.arange(most) >= lengths] = -1
            keys = np.zeros(size, dtype=np.uint64)
            for letter in words.T:
                longer = mix(keys + (letter + 1).astype(np.uint64))
                keys = np.where(letter < 0, keys, longer)
            found.append(words[split_of(keys) == SPLITS.index(split)])
        words = np.concatenate(found)[:batch_size]
        return words, (words >= 0).sum(1)

    def _tracks(
        self,
        rng: np.random.Generator,
        words: NDArray[np.int64],
        lengths: NDArray[np.int64],
        speakers: NDArray[np.int64],
        tempi: NDArray[np.float64],
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return tracks `(B, S, 5)`, padded with zeros, and their frames `(B,)`."""
        uneven = np.exp(_UNEVEN * rng.normal(size=words.shape))
        durations = self._frames[words] * tempi[:, None] * uneven
        durations = durations.round().clip(_FEWEST, _MOST)
        durations = np.where(words < 0, 0, durations).astype(np.int64)
        ends = durations.cumsum(1)
        frames = ends[:, -1]
        step = np.arange(frames.max())
        place = (ends[:, :, None] <= step).sum(1).clip(max=lengths[:, None] - 1)  # (B, S)
        letters = np.take_along_axis(words, place, axis=1)
        goals = self._goals[letters]  # (B, S, 5)
        own = self._tracts[speakers, None, None] + self._accents[speakers[:, None], letters]
        goals[..., :3] += own
        for t in range(1, goals.shape[1]):
            goals[:, t] = goals[:, t - 1] + _GLIDE * (goals[:, t] - goals[:, t - 1])
        goals += rng.normal(0, self.noise, size=goals.shape)
        goals[step >= frames[:, None]] = 0
        return goals.astype(np.float32), frames

    def most_symbols(self, length: int | None) -> tuple[int, int]:
        """Return the most frames that a word can have, and its letters."""
        letters = self.lengths.most if length is None else length
        return _MOST * letters, letters

    def scorer(self) -> Scorer:
        """Return a scorer that adds the character error."""
        return ErrorScorer(self, "character_error", self.words)

    @cached_property
    def floor(self) -> Mapping[str, float]:  # type: ignore[override]  # computed on first use
        """Scores of symbols' frequencies by position, and of the nearest training word."""
        known, asked = (self.hear(split, 0, n, None) for split, n in _COMPARED.items())
        steps = max(part.vectors.shape[1] for part in (known, asked))
        flat = [
            torch.from_numpy(
                np.pad(part.vectors, ((0, 0), (0, steps - part.vectors.shape[1]), (0, 0)))
            ).flatten(1)
            for part in (known, asked)
        ]
        near = nearest_neighbour(flat[0], torch.arange(len(flat[0])), flat[1]).tolist()
        said, right = (
            [
                self.words(row[:count].tolist())
                for row, count in zip(part.target, part.target_length, strict=True)
            ]
            for part in (known, asked)
        )
        error = error_rate([said[index] for index in near], right)
        return {**super().floor, "character_error_nearest_neighbour": error}

    def show(self, batch: Batch, output: Tensor) -> Image.Image:
        """Draw tracks with the word, and the model's if it is another."""
        rights = self._decode_rows(batch, batch.target)
        claims = self._decode_rows(batch, output.argmax(dim=2))
        return self._shown(
            batch,
            [
                right if claim == right else f"{right}   x: {claim}"
                for claim, right in zip(claims, rights, strict=True)
            ],
        )

    def show_answers(self, batch: Batch, answers: Tensor) -> Image.Image:
        """Draw tracks with the model's words."""
        return self._shown(batch, self._decode_rows(batch, answers))

    def _shown(self, batch: Batch, texts: list[str]) -> Image.Image:
        plots = []
        for row, text in enumerate(texts[:2]):
            tracks = self.vectors(batch, row)
            channels = {name: {"x": tracks[:, i]} for i, name in enumerate(_CHANNELS)}
            plots.append(line_plot(channels, title=text, x_label="frame of 20 ms", x_start=1))
        return join(plots, vertical=True)
