"""How long the sequences of a batch are."""

from dataclasses import dataclass

import numpy as np

from rnnlab.errors import ConfigError


@dataclass(frozen=True)
class Lengths:
    """Lengths from `least` to `most`, all alike likely.

    What they count (symbols, digits, bits, steps) is the task's `length` key.
    """

    least: int
    most: int

    @classmethod
    def between(
        cls, min_length: int | None, length: int, *, default: int | None = None
    ) -> "Lengths":
        """Take the keys of a task; `min_length=None` means `default`, or always `length`.

        Raises:
            ConfigError: the least is more than the most.
        """
        if min_length is not None and min_length > length:
            raise ConfigError(f"min_length must be at most length={length}, got {min_length}")
        least = length if default is None else default
        return cls(least if min_length is None else min_length, length)

    def draw(self, rng: np.random.Generator) -> int:
        """Draw one length."""
        return int(rng.integers(self.least, self.most, endpoint=True))
