"""What is asked of the runs of a report."""

from collections.abc import Sequence
from dataclasses import dataclass

from rnnlab.reports.statistics import IntervalKind


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of the runs.

    Attributes:
        metrics: names of metrics, the first of which leads; empty for the one that most runs
            monitored. A name without a split is the test score.
        target: the value of the first metric to reach, or `None`.
        over: settings to aggregate over.
        x: numeric setting for the x axis; `None` takes the one with the most values.
        interval: the kind of interval of means.
        rows: the settings whose values go down a pivot, or `None`.
        columns: those whose values go across, or `None`.
        compare: the setting whose values are compared by runs that agree in all others, or `None`.
    """

    metrics: Sequence[str] = ()
    target: float | None = None
    over: Sequence[str] = ("seed",)
    x: str | None = None
    interval: IntervalKind = "bootstrap"
    rows: Sequence[str] | None = None
    columns: Sequence[str] | None = None
    compare: str | None = None
