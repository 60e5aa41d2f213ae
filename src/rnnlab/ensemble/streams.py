"""The random streams of N members side by side: a task lays out all their batches at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class UnlikeError(Exception):
    """Members' draws can't stand side by side; each is to be made alone."""


class Streams:
    """N generators in the place of one, for a batch of N times as many rows.

    A draw whose first axis is these rows takes each member's share from its own generator, as it
    would be taken alone. Any other draw must come out the same for all members.

    Args:
        generators: one a member.
        rows: of each member's batch.

    Raises:
        UnlikeError: at a draw that is neither.
    """

    def __init__(self, generators: Sequence[np.random.Generator], rows: int) -> None:
        self._generators = generators
        self._rows = rows

    def integers(
        self,
        low: int,
        high: int | None = None,
        size: Any = None,
        dtype: Any = np.int64,
        endpoint: bool = False,
    ) -> Any:
        """As `numpy.random.Generator.integers`."""
        return self._draw("integers", size, low, high, dtype=dtype, endpoint=endpoint)

    def random(self, size: Any = None, dtype: Any = np.float64) -> Any:
        """As `numpy.random.Generator.random`."""
        return self._draw("random", size, dtype=dtype)

    def uniform(self, low: float = 0.0, high: float = 1.0, size: Any = None) -> Any:
        """As `numpy.random.Generator.uniform`."""
        return self._draw("uniform", size, low, high)

    def normal(self, loc: float = 0.0, scale: float = 1.0, size: Any = None) -> Any:
        """As `numpy.random.Generator.normal`."""
        return self._draw("normal", size, loc, scale)

    def __getattr__(self, name: str) -> Any:
        raise UnlikeError(f"{name} can't be drawn for several members at once")

    def _draw(self, name: str, size: Any, *bounds: Any, **options: Any) -> NDArray[Any] | Any:
        if not all(np.ndim(bound) == 0 for bound in bounds if bound is not None):
            raise UnlikeError("bounds that differ from row to row")
        shape = () if size is None else (size,) if isinstance(size, int) else tuple(size)
        ways = [getattr(generator, name) for generator in self._generators]
        if shape and shape[0] == len(ways) * self._rows:
            own = (self._rows, *shape[1:])
            return np.concatenate([way(*bounds, size=own, **options) for way in ways])
        if shape:
            raise UnlikeError(f"a draw of {shape} has not one part a row")
        values = {way(*bounds, **options) for way in ways}
        if len(values) > 1:
            raise UnlikeError("members drew different values for a whole batch")
        return values.pop()
