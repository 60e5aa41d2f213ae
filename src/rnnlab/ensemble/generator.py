"""The random streams of N members side by side: a task lays out all their batches at once."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Draw = Callable[..., NDArray[Any]]


class UnlikeError(Exception):
    """Members' draws can't stand side by side; each is to be made alone."""


class SplitError(UnlikeError):
    """Members drew different values for their whole batches, such as lengths.

    Attributes:
        parts: the places of members that drew the same, with their streams as they were before.
    """

    def __init__(self, parts: "list[tuple[list[int], Streams]]") -> None:
        self.parts = parts


class Streams:
    """N generators in the place of one, for a batch of N times as many rows.

    A draw whose first axis is these rows takes each member's share from its own generator, as it
    would be taken alone. A single number must come out the same for all members, but one may be
    the length of their sequences where shorter ones can be padded: the longest is given then, and
    draws of as many columns have zeros after a member's own.

    Args:
        generators: one a member.
        rows: of each member's batch.
        told: numbers that were drawn from them before, and are to be given first.
        pads: whether the first single number is such a length.

    Attributes:
        lengths: of each member, where they differ.

    Raises:
        SplitError: at a number that doesn't.
        UnlikeError: at a draw that is neither.
    """

    def __init__(
        self,
        generators: Sequence[np.random.Generator],
        rows: int,
        told: Sequence[Any] = (),
        *,
        pads: bool = False,
    ) -> None:
        self.lengths: list[int] | None = None
        self._generators = generators
        self._rows = rows
        self._told = list(told)
        self._pads = pads
        self._numbers: list[Any] | None = []  # so far; `None` once rows were drawn

    def __len__(self) -> int:
        return len(self._generators)

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
            self._numbers = None
            return self._rows_of([partial(way, *bounds, **options) for way in ways], shape[1:])
        if shape:
            raise UnlikeError(f"a draw of {shape} has not one part a row")
        told = [self._told.pop(0)] if self._told else None
        values = told or [way(*bounds, **options) for way in ways]
        if len(set(values)) > 1:
            if not (self._pads and self._numbers == []):
                self._split(values)
            self.lengths = values
            values = [max(values)]
        if self._numbers is not None:
            self._numbers.append(values[0])
        return values[0]

    def _rows_of(self, ways: Sequence[Draw], shape: tuple[int, ...]) -> NDArray[Any]:
        """Draw rows of that shape, and of each member's own length where it is one of them."""
        if self.lengths is None:
            return np.concatenate([way(size=(self._rows, *shape)) for way in ways])
        if shape[:1] != (max(self.lengths),):
            raise UnlikeError("rows that have not one column a step")
        parts = [
            way(size=(self._rows, length, *shape[1:]))
            for way, length in zip(ways, self.lengths, strict=True)
        ]
        drawn = np.zeros((len(parts), self._rows, *shape), dtype=parts[0].dtype)
        for place, part in zip(drawn, parts, strict=True):
            place[:, : part.shape[1]] = part
        return drawn.reshape(-1, *shape)

    def _split(self, values: Sequence[Any]) -> None:
        if self._numbers is None or self.lengths is not None:
            raise UnlikeError("members drew different numbers after rows or lengths")
        parts: dict[Any, list[int]] = {}
        for place, value in enumerate(values):
            parts.setdefault(value, []).append(place)
        raise SplitError(
            [
                (
                    places,
                    Streams(
                        [self._generators[place] for place in places],
                        self._rows,
                        [*self._numbers, value],
                    ),
                )
                for value, places in parts.items()
            ]
        )
