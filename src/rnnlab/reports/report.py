"""A report: what is found of the runs, for one metric or several."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from rnnlab.errors import ConfigError
from rnnlab.reports.aggregate import Aggregate, aggregate_runs
from rnnlab.reports.curves import Curves, read_curves
from rnnlab.reports.importance import Importance, importances
from rnnlab.reports.matched import Matching, match
from rnnlab.reports.pivot import Pivot, make_pivot
from rnnlab.reports.question import Question
from rnnlab.reports.table import RunTable


@dataclass(frozen=True)
class Section:
    """What is found of one metric.

    Attributes:
        aggregate: the groups.
        pivot: the groups in two directions, or `None` if that was not asked for.
        matching: the compared runs, or `None` if that was not asked for.
        suffix: what the names of its files end in: nothing for the first metric.
    """

    aggregate: Aggregate
    pivot: Pivot | None
    matching: Matching | None
    suffix: str

    @cached_property
    def importances(self) -> list[Importance]:
        """How much each setting matters."""
        return importances(self.aggregate)

    @cached_property
    def curves(self) -> list[dict[str, Curves]]:
        """Metric -> curves, of each group."""
        return [read_curves(group) for group in self.aggregate.groups]


@dataclass(frozen=True)
class Report:
    """Sections, one a metric.

    Attributes:
        table: the runs.
        sections: a section for each metric, the first of which leads.
    """

    table: RunTable
    sections: Sequence[Section]

    @property
    def first(self) -> Aggregate:
        """The groups of the first metric."""
        return self.sections[0].aggregate

    @property
    def remarks(self) -> list[str]:
        """Notes for the reader, of all metrics."""
        every = (remark for section in self.sections for remark in section.aggregate.remarks)
        return list(dict.fromkeys(every))


def make_report(table: RunTable, question: Question) -> Report:
    """Aggregate runs as asked.

    Raises:
        ConfigError: a metric or a setting is not one of these runs; one line each.
    """
    sections: list[Section] = []
    problems: list[str] = []
    for metric in question.metrics or (None,):
        try:
            sections.append(_section(table, question, metric, first=not sections))
        except ConfigError as error:
            problems += str(error).splitlines()
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))
    return Report(table, sections)


def file_suffix(metric: str) -> str:
    """Return what the names of the files of a further metric end in: `_test_loss`."""
    return "_" + re.sub(r"\W+", "_", metric)


def _section(table: RunTable, question: Question, metric: str | None, *, first: bool) -> Section:
    asked = question if first else replace(question, target=None)
    aggregate = aggregate_runs(table, asked, metric)
    pivot = make_pivot(aggregate, question.rows, question.columns)
    matching = match(aggregate, question.compare) if question.compare else None
    return Section(aggregate, pivot, matching, "" if first else file_suffix(aggregate.metric))
