"""A random generator from which a task draws the batches of N members at once."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Draw = Callable[..., NDArray[Any]]


class NotStackable(Exception):
    """Members' batches can't be drawn at once; each member's is drawn alone."""


class DifferentScalars(NotStackable):
    """Members drew different scalars, such as lengths.

    Attributes:
        parts: indices of members that drew the same, and their generator, which draws all again.
    """

    def __init__(self, parts: "list[tuple[list[int], StackedGenerator]]") -> None:
        self.parts = parts


class StackedGenerator:
    """N random generators as one, for a batch with N times as many rows.

    In a draw whose first dimension is these rows, each member's rows come from its own generator,
    as they would alone. A scalar must be the same for all members, except a length if shorter
    sequences can be padded: then it is the longest, and members' steps after their own are 0.

    Args:
        generators: one per member.
        rows: batch size of each member.
        scalars: scalars that were drawn from the generators before; they are returned first.
        pads: whether the first scalar may be such a length.

    Attributes:
        lengths: each member's length, or `None` if they are the same.

    Raises:
        DifferentScalars: members drew different scalars.
        NotStackable: a draw is neither of rows nor a scalar.
    """

    def __init__(
        self,
        generators: Sequence[np.random.Generator],
        rows: int,
        scalars: Sequence[Any] = (),
        *,
        pads: bool = False,
    ) -> None:
        self.lengths: list[int] | None = None
        self._generators = generators
        self._rows = rows
        self._replayed = list(scalars)
        self._pads = pads
        self._scalars: list[Any] | None = []  # all so far; `None` after the first draw of rows

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
        raise NotStackable(f"{name} can't be drawn for several members at once")

    def _draw(self, name: str, size: Any, *bounds: Any, **options: Any) -> NDArray[Any] | Any:
        if not all(np.ndim(bound) == 0 for bound in bounds if bound is not None):
            raise NotStackable("bounds that differ from row to row")
        shape = () if size is None else (size,) if isinstance(size, int) else tuple(size)
        draws = [partial(getattr(g, name), *bounds, **options) for g in self._generators]
        if shape and shape[0] == len(draws) * self._rows:
            self._scalars = None
            return self._draw_rows(draws, shape[1:])
        if shape:
            raise NotStackable(f"a draw of {shape} has not one part a row")
        values = [self._replayed.pop(0)] if self._replayed else [draw() for draw in draws]
        if len(set(values)) > 1:
            if not (self._pads and self._scalars == []):
                self._split(values)
            self.lengths = values
            values = [max(values)]
        if self._scalars is not None:
            self._scalars.append(values[0])
        return values[0]

    def _draw_rows(self, draws: Sequence[Draw], shape: tuple[int, ...]) -> NDArray[Any]:
        """Draw each member's rows of a shape, whose first dimension is steps if lengths differ."""
        if self.lengths is None:
            return np.concatenate([draw(size=(self._rows, *shape)) for draw in draws])
        if shape[:1] != (max(self.lengths),):
            raise NotStackable("rows that have not one column a step")
        parts = [
            draw(size=(self._rows, length, *shape[1:]))
            for draw, length in zip(draws, self.lengths, strict=True)
        ]
        padded = np.zeros((len(parts), self._rows, *shape), dtype=parts[0].dtype)
        for own, part in zip(padded, parts, strict=True):
            own[:, : part.shape[1]] = part
        return padded.reshape(-1, *shape)

    def _split(self, values: Sequence[Any]) -> None:
        if self._scalars is None or self.lengths is not None:
            raise NotStackable("members drew different numbers after rows or lengths")
        indices: dict[Any, list[int]] = {}
        for n, value in enumerate(values):
            indices.setdefault(value, []).append(n)
        parts = []
        for value, members in indices.items():
            generators = [self._generators[n] for n in members]
            replayed = [*self._scalars, value]
            parts.append((members, StackedGenerator(generators, self._rows, replayed)))
        raise DifferentScalars(parts)
