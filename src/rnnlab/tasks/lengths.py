"""The range of sequence lengths of a task."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnlab.errors import ConfigError


@dataclass(frozen=True)
class Lengths:
    """A uniform distribution of lengths from `least` to `most`, both included.

    Their unit (symbols, digits, bits, steps) is that of the task's `length` key.
    """

    least: int
    most: int

    @classmethod
    def between(
        cls, min_length: int | None, length: int, *, default: int | None = None
    ) -> "Lengths":
        """Make lengths from the keys of a task; without `min_length` from `default` or `length` on.

        Raises:
            ConfigError: `min_length` is more than `length`.
        """
        if min_length is not None and min_length > length:
            raise ConfigError(f"min_length must be at most length={length}, got {min_length}")
        least = length if default is None else default
        return cls(least if min_length is None else min_length, length)

    def given(self, length: int | None) -> "Lengths":
        """Return the one length that is asked for; these if it is `None`."""
        return self if length is None else Lengths(length, length)

    def draw(self, rng: np.random.Generator) -> int:
        """Draw one length."""
        return int(rng.integers(self.least, self.most, endpoint=True))

    def draw_each(self, rng: np.random.Generator, rows: int) -> NDArray[np.int64]:
        """Draw a length for each row, `(rows,)`."""
        return rng.integers(self.least, self.most, size=rows, endpoint=True)
