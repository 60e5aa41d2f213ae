"""The runs below a directory as a list to filter and sort."""

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from rnnlab.config.suggestions import did_you_mean, hint
from rnnlab.errors import ConfigError
from rnnlab.metric import base_name, monitored_scores
from rnnlab.reports.table import ABSENT, RunSettings, SettingValue, Source, differing, read_sources

COLUMNS = ("run", "model", "task", "state", "started", "seconds", "score")
"""What each run has, besides its settings and its other scores."""

_IN_COLUMNS = ("model", "task")
_COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Listed:
    """A run of the list, or a job of a sweep that failed before it had a run directory.

    Attributes:
        path: its directory or failure file.
        source: the run as read.
        metric: what `score` is; `None` takes the test score of what chose the best weights.
    """

    path: Path
    source: Source
    metric: str | None = None

    @cached_property
    def state(self) -> str:
        """The status in the run card, `failed` of a failed job, or `unreadable`."""
        record, card = self.source.record, self.source.card
        if record.failure is None:
            return "finished"
        if record.run is None:
            return record.failure.partition(":")[0] if self.source.overrides else "unreadable"
        unreadable = not self.source.config or card.get("status") == "finished"
        return "unreadable" if unreadable else str(card.get("status"))

    @cached_property
    def score_name(self) -> str | None:
        """The name of the score; `None` if the run has none."""
        monitor = str(self.source.value("monitor"))
        wanted = monitored_scores(monitor) if self.metric is None else [self.metric]
        return next((name for name in wanted if name in self.source.record.scores), None)

    @property
    def score(self) -> float | None:
        """The score."""
        return None if self.score_name is None else self.source.record.scores[self.score_name]

    @property
    def higher_is_better(self) -> bool:
        """Whether a higher score is better, as its task declares."""
        return self.source.record.higher_is_better.get(base_name(self.score_name or ""), False)

    def value(self, key: str) -> Any:
        """Return a column, a score such as `test/accuracy`, or a setting; `ABSENT` without it."""
        source = self.source
        if key in source.record.scores:
            return source.record.scores[key]
        if key == "run":
            return str(self.path)
        if key in ("state", "score"):
            found = getattr(self, key)
            return ABSENT if found is None else found
        if key in ("started", "seconds"):
            return source.card.get(key, ABSENT)
        return source.value(key)

    def settings(self, keys: Iterable[str]) -> dict[str, SettingValue]:
        """Return its values of settings, without those that it doesn't have."""
        values = {key: self.source.value(key) for key in keys}
        return {key: value for key, value in values.items() if value is not ABSENT}


@dataclass(frozen=True)
class Listing:
    """Some runs of a directory.

    Attributes:
        runs: the runs.
        total: number of runs of the directory.
        keys: the settings in which `runs` differ, besides model and task.
    """

    runs: Sequence[Listed]
    total: int
    keys: Sequence[str]


class Filter:
    """A condition on runs: `KEY=VALUE`, `KEY!=VALUE`, or `KEY` and `<`, `<=`, `>` or `>=` a number.

    A value may be several, with commas between, of which one must hold (with `!=` none), and may
    hold `*` for any text.

    Raises:
        ConfigError: the text is no condition.
    """

    def __init__(self, text: str) -> None:
        read = re.fullmatch(r"([\w./@+-]+?)(!=|>=|<=|=|<|>)(.*)", text, re.DOTALL)
        if read is None:
            raise ConfigError(f"{text!r} can't be read as KEY=VALUE")
        self.text = text
        self.key, self._sign, value = read.groups()
        self._wanted = value.split(",")
        if self._sign not in _COMPARED:
            return
        limit = _number(value)
        if limit is None:
            raise ConfigError(f"{self.key}{self._sign} takes a number, got {value!r}")
        self._limit = limit

    def holds(self, run: Listed) -> bool:
        """Whether a run meets it; one that doesn't have the key does not."""
        value = run.value(self.key)
        if value is ABSENT:
            return False
        if self._sign in _COMPARED:
            found = _number(value)
            return found is not None and _COMPARED[self._sign](found, self._limit)
        return any(_equal(value, wanted) for wanted in self._wanted) == (self._sign == "=")


def list_runs(
    directory: Path, filters: Sequence[Filter], sort: str, metric: str | None = None
) -> Listing:
    """Read, filter and sort the runs below a directory; those that can't be read are among them.

    Args:
        directory: the directory.
        filters: conditions that all must hold.
        sort: the key to sort by, with `-` before it downwards; `score` puts the best first.
        metric: what the score is; `None` takes the test score of what chose the best weights.

    Raises:
        ConfigError: there are no runs, or none has a key; one line each.
    """
    sources = read_sources(directory)
    runs = [Listed(directory / source.record.name, source, metric) for source in sources]
    _check_keys(runs, [condition.key for condition in filters], sort.removeprefix("-"), metric)
    chosen = [run for run in runs if all(condition.holds(run) for condition in filters)]
    keys = differing([run.source for run in chosen]) if chosen else []
    ordered = _sorted(chosen, sort.removeprefix("-"), downwards=sort.startswith("-"))
    return Listing(ordered, len(runs), [key for key in keys if key not in _IN_COLUMNS])


def as_json(run: Listed, settings: RunSettings) -> dict[str, Any]:
    """Return a run as JSON has it: numbers that are not finite are `None`."""
    record = run.source.record
    return {
        "run": str(run.path),
        "model": _text(run.value("model")),
        "task": _text(run.value("task")),
        "state": run.state,
        "reason": record.failure,
        "started": run.source.card.get("started"),
        "seconds": _finite(run.source.card.get("seconds")),
        "metric": run.score_name,
        "score": _finite(run.score),
        "settings": {key: _finite(value) for key, value in settings.items()},
        "scores": {name: _finite(value) for name, value in record.scores.items()},
    }


def _check_keys(runs: Sequence[Listed], keys: Sequence[str], sort: str, metric: str | None) -> None:
    """Refuse keys that no run has.

    Raises:
        ConfigError: a line for each.
    """
    scores = dict.fromkeys(name for run in runs for name in run.source.record.scores)
    settings = dict.fromkeys(
        name.removeprefix("choices.") for run in runs for name in run.source.leaves
    )
    settings |= dict.fromkeys(name for run in runs for name in run.source.overrides or {})
    known = [*COLUMNS, *scores, *settings]
    asked = [*((key, key) for key in keys), (sort, f"sort={sort}")]
    problems = [
        f"{shown} is nothing that these runs have{did_you_mean(key, known)}"
        for key, shown in asked
        if key not in known
    ]
    if metric is not None and metric not in scores:
        problems.append(f"metric={metric} is not a score of these runs{hint(metric, scores)}")
    if problems:
        raise ConfigError("\n".join(problems))


def _sorted(runs: Sequence[Listed], key: str, *, downwards: bool) -> list[Listed]:
    """Sort runs by a key; those without it come last."""
    have = [run for run in runs if run.value(key) is not ABSENT]
    lack = [run for run in runs if run.value(key) is ABSENT]

    def rank(run: Listed) -> Any:
        value = run.value(key)
        number = _number(value)
        if number is None:
            return 1, 0.0, str(value)
        if key == "score" and run.higher_is_better:
            number = -number
        return 0, math.inf if math.isnan(number) else number, ""

    have.sort(key=rank, reverse=downwards)
    if key == "score":  # of different metrics, no one is better
        have.sort(key=lambda run: run.score_name or "")
    return have + lack


def _equal(value: SettingValue, wanted: str) -> bool:
    number = None if isinstance(value, bool) else _number(value)
    if number is not None and number == _number(wanted):
        return True
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else value
    return fnmatchcase(str(text), wanted)


def _number(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(value: Any) -> str | None:
    return None if value is ABSENT else str(value)
