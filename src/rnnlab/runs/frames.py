"""Tables for users: data frames where pandas is installed, which rnnlab doesn't need."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any


def as_frame(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Return rows as a `pandas.DataFrame` where pandas is installed, else as a list of mappings."""
    if find_spec("pandas") is None:
        return [dict(row) for row in rows]
    from pandas import DataFrame

    return DataFrame(rows)
