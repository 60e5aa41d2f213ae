"""Words as formant tracks that a formula makes, of many speakers at many tempi."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from rnnlab.plots.draw import line_plot
from rnnlab.random_streams import generator
from rnnlab.spec import SPLITS, Split
from rnnlab.tasks.classifiers import nearest_neighbour
from rnnlab.tasks.lengths import Lengths
from rnnlab.tasks.splits import mix, split_of
from rnnlab.tasks.text_scores import error_rate
from rnnlab.tasks.transcription import Heard

# F1, F2, F3 in Hz; amplitudes of voice and of noise; duration in frames. Vowels as of men in
# Peterson and Barney (1952); consonants by the loci that their formants come from and go to.
SOUNDS: dict[str, tuple[float, ...]] = {
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
LETTERS = tuple(SOUNDS)
VOWELS = "aeiou"
CHANNELS = ("F1", "F2", "F3", "voice", "noise")
_SPREAD = 0.35  # of the logarithm of a formant, which becomes 1
SPEAKERS: Mapping[Split, range] = {
    "train": range(80),
    "val": range(80, 90),
    "test": range(90, 100),
}
_TRACT, _ACCENT = 0.12, 0.03  # deviation of the logarithm of all formants, and of a letter's
_UNEVEN = 0.15  # deviation of the logarithm of a duration
_FEWEST, _MOST = 2, 8  # frames of a letter
_GLIDE = 0.5  # share of the way to its goal that a track goes in a frame
_CANDIDATES = 16  # words drawn for each that is wanted, of which most are of another split
_COMPARED: Mapping[Split, int] = {"train": 2000, "test": 500}  # words, for the nearest neighbour


class Formants:
    """Tracks of words over a small alphabet.

    Words of vowels and consonants in turn are random, `tamu`, `isol`. Each letter has goals for
    three formants, voice and noise (tables in this file), and lasts some frames of 20 ms; tracks
    glide towards their goals, so that a letter sounds otherwise beside others. A speaker multiplies
    all formants by one number (the length of the vocal tract, some 12 %) and each letter's by
    another (accent), a tempo multiplies durations, and noise is added to each frame.

    Words, speakers and tempi of val and test are others than those of train: a fixed hash of a word
    chooses its split; 80 speakers are of train, 10 of val, 10 of test; tempi of train are 0.8 to
    1.25 times the durations, the others 0.7 to 0.8 or 1.25 to 1.4 times.

    Args:
        lengths: letters of a word.
        noise: standard deviation of the noise on each number; that of a formant is about 1.
    """

    def __init__(self, lengths: Lengths, noise: float) -> None:
        self.lengths, self.noise = lengths, noise
        table = np.array(list(SOUNDS.values()))
        self._goals = table[:, :5].copy()
        logs = np.log(table[:, :3])
        self._goals[:, :3] = (logs - logs.mean(0)) / _SPREAD
        self._frames = table[:, 5]
        rng = generator(0, "task", 0)  # the same speakers for all seeds
        count = sum(map(len, SPEAKERS.values()))
        self._tracts = rng.normal(0, _TRACT / _SPREAD, size=count)
        self._accents = rng.normal(0, _ACCENT / _SPREAD, size=(count, len(table), 3))

    def most_frames(self, length: int | None) -> int:
        """Return the most frames that a word of `length` letters, by default the most, can have."""
        return _MOST * self.lengths.given(length).most

    def hear(
        self, rng: np.random.Generator, split: Split, batch_size: int, length: int | None
    ) -> Heard:
        """Draw words, speakers and tempi; the target is letters, -1 after the end."""
        words, lengths = self._words(rng, split, batch_size, length)
        speakers = rng.choice(SPEAKERS[split], size=batch_size)
        tempi = rng.uniform(0.8, 1.25, size=batch_size)
        if split != "train":
            fast = rng.random(batch_size) < 0.5
            low, high = np.where(fast, 0.7, 1.25), np.where(fast, 0.8, 1.4)
            tempi = low + (high - low) * rng.random(batch_size)
        tracks, frames = self.tracks(rng, words, lengths, speakers, tempi)
        return Heard(tracks, frames, words, lengths)

    def _words(
        self, rng: np.random.Generator, split: Split, batch_size: int, length: int | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw words of the split: letters `(B, L)`, -1 after the end, and lengths `(B,)`."""
        allowed = self.lengths.given(length)
        least, most = allowed.least, allowed.most
        found: list[NDArray[np.int64]] = []
        while sum(map(len, found)) < batch_size:
            size = _CANDIDATES * batch_size
            vowels = rng.integers(len(VOWELS), size=(size, most))
            consonants = rng.integers(len(VOWELS), len(SOUNDS), size=(size, most))
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

    def tracks(
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

    def floor(self, rng: Callable[[Split, int], np.random.Generator]) -> dict[str, float]:
        """Return the error of answering with the word of the nearest tracks (Euclidean, padded).

        Args:
            rng: the random generator of batch `index` of a split.
        """
        known, asked = (self.hear(rng(split, 0), split, n, None) for split, n in _COMPARED.items())
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
                [LETTERS[i] for i in row[:count]]
                for row, count in zip(part.target, part.target_length, strict=True)
            ]
            for part in (known, asked)
        )
        error = error_rate([said[index] for index in near], right)
        return {"character_error_nearest_neighbour": error}


def draw_tracks(
    tracks: NDArray[np.float32], title: str, answers: Mapping[str, ArrayLike] | None = None
) -> Image.Image:
    """Draw tracks `(S, 5)` below the probability `(S,)` of each answer, if they are given."""
    panels = {} if answers is None else {"answer": answers}
    panels |= {name: {"x": tracks[:, i]} for i, name in enumerate(CHANNELS)}
    return line_plot(panels, title=title, x_label="frame of 20 ms", x_start=1)
