"""Tables of scores, for terminals and notebooks."""

from collections.abc import Mapping

from rnnlab.metric import base_name


def score_rows(columns: Mapping[str, Mapping[str, float]]) -> list[list[str]]:
    """Format metrics as rows: a heading, then the name and the values of each metric.

    Args:
        columns: title of a column -> metric -> value.
    """
    names = [
        name
        for name in dict.fromkeys(name for values in columns.values() for name in values)
        if name not in ("grad_norm", "learning_rate")
    ]
    rows = [["", *columns]]
    for name in names:
        # A free-running metric has the floor of the plain one.
        cells = [
            number(values.get(base_name(name) if column == "floor" else name))
            for column, values in columns.items()
        ]
        rows.append([name, *cells])
    return rows


def score_lines(columns: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Format metrics as lines of aligned columns."""
    rows = score_rows(columns)
    width = max(len(name) for name, *_ in rows)
    return [
        f"{name:{width}}  " + "  ".join(f"{cell:>9}" for cell in cells) for name, *cells in rows
    ]


def number(value: float | None) -> str:
    """Format a score in four digits; `None` as nothing."""
    return "" if value is None else f"{value:.4g}"
