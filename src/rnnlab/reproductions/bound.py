"""What a number must be: `< 0.01`, `>= 1`, `0.15 to 0.2`."""

import math
import re
from dataclasses import dataclass

from rnnlab.errors import ConfigError

_NUMBER = r"([-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?)"
_ROUNDING = 1e-6  # of single precision: 0.9999999 is 1


@dataclass(frozen=True)
class Bound:
    """A range of values, ends included unless `strict`.

    Attributes:
        text: as it is written.
        low: the lower end, or minus infinity.
        high: the upper end, or infinity.
        strict: whether the ends are excluded.
    """

    text: str
    low: float
    high: float
    strict: bool

    @classmethod
    def read(cls, text: str) -> "Bound":
        """Read a bound.

        Raises:
            ConfigError: it is none.
        """
        if found := re.fullmatch(rf"{_NUMBER} to {_NUMBER}", text):
            low, high = float(found[1]), float(found[2])
            if low <= high:
                return cls(text, low, high, strict=False)
        elif found := re.fullmatch(rf"(<|<=|>|>=) {_NUMBER}", text):
            sign, end = found[1], float(found[2])
            low, high = (-math.inf, end) if sign[0] == "<" else (end, math.inf)
            return cls(text, low, high, strict=sign in "<>")
        raise ConfigError(f"must be like `< 0.01`, `>= 1` or `0.15 to 0.2`, got {text!r}")

    def holds(self, value: float) -> bool:
        """Whether a value is in the range; NaN never is."""
        if self.strict:
            return self.low < value < self.high
        return self.low - _ROUNDING <= value <= self.high + _ROUNDING
