"""Reading the runs below a directory, with the settings in which they differ."""

import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from rnnlab.config.build import target
from rnnlab.config.compose import flat
from rnnlab.errors import ConfigError
from rnnlab.files.untrusted import Failure, Results, RunCard, read_json
from rnnlab.runs.run import Run

SettingValue = bool | int | float | str | None
RunSettings = Mapping[str, SettingValue]

_CONTENTS, _DIGITS = "files.", 8  # config keys of data files' SHA-256; digits that are shown
_NOT_SETTINGS = (
    *("output_dir", "sweep", "sweep_name", "dry_run", "on_error", "resume"),
    *("choices", "files"),
)
ABSENT: Any = object()
"""What a setting is that a run does not have."""


@dataclass(frozen=True)
class Record:
    """One run, or a job that failed before it had a run directory.

    Attributes:
        name: path of its run directory or failure file, relative to the table's directory.
        settings: swept setting -> value; `None` for a setting that the run doesn't have.
        scores: `train/`, `val/` and `test/` metrics, and costs such as `seconds`.
        floor: metric without split -> the score without memory or learning.
        higher_is_better: metric without split -> whether higher is better, as its task declares.
        failure: why there are no scores, or `None`.
        run: its run directory, or `None`.
        task: the option of the config group `task`, or `None` if it is not known.
        has_settings: whether its settings are known.
    """

    name: str
    settings: RunSettings = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    floor: Mapping[str, float] = field(default_factory=dict)
    higher_is_better: Mapping[str, bool] = field(default_factory=dict)
    failure: str | None = None
    run: Run | None = None
    task: str | None = None
    has_settings: bool = True


@dataclass(frozen=True)
class RunTable:
    """The runs below a directory.

    Attributes:
        directory: the directory.
        keys: the settings that are swept.
        shared: key -> value, of the overrides that all runs have.
        records: a record for each run.
        monitor: the metric that most runs monitored.
        higher_is_better: metric without split -> whether higher is better, where all runs agree.
        remarks: notes for the reader, such as on runs of different code.
    """

    directory: Path
    keys: Sequence[str]
    shared: Mapping[str, str]
    records: Sequence[Record]
    monitor: str
    higher_is_better: Mapping[str, bool]
    remarks: Sequence[str]

    @property
    def metrics(self) -> list[str]:
        """Names of all scores and costs."""
        return list(dict.fromkeys(name for record in self.records for name in record.scores))


@dataclass(frozen=True)
class Source:
    """A run as read, before it is known which settings are swept.

    Attributes:
        record: the run, without swept settings.
        overrides: its overrides, key -> value; `None` if they weren't recorded.
        config: its config; empty if it can't be read.
        card: its run card; empty for a job that failed before it had a run directory.
    """

    record: Record
    overrides: Mapping[str, str] | None
    config: Mapping[str, Any]
    card: Mapping[str, Any]

    @cached_property
    def leaves(self) -> dict[str, SettingValue]:
        """Dotted key -> value of each leaf of the config; a list becomes its text."""
        return {
            str(key): value if isinstance(value, SettingValue) else str(value)
            for key, value in flat(self.config).items()
        }

    def value(self, key: str) -> Any:
        """Return a setting: the chosen option, the config's value, the override's, or `ABSENT`."""
        for name in (f"choices.{key}", key):
            if name in self.leaves:
                value = self.leaves[name]
                return str(value)[:_DIGITS] if key.startswith(_CONTENTS) else value
        return _parse((self.overrides or {}).get(key, ABSENT))


def read_table(directory: Path) -> RunTable:
    """Read every run below a directory, finished or not, and the failures of its sweeps.

    The swept settings are the overrides whose values differ; if a run has no overrides, whole
    configs are compared.

    Raises:
        ConfigError: there is no such directory, or no run in it.
    """
    sources = read_sources(directory)
    known = [source for source in sources if source.config]
    monitors = Counter(str(source.config.get("monitor", "val/loss")) for source in known)
    keys = differing(sources)
    records, remarks = _without_duplicates(
        [(_with_settings(source, keys), source.card) for source in sources]
    )
    return RunTable(
        directory=directory,
        keys=keys,
        shared=_shared([source.overrides or {} for source in sources]),
        records=records,
        monitor=monitors.most_common(1)[0][0] if monitors else "",
        higher_is_better=_agreed(record.higher_is_better for record in records),
        remarks=[*remarks, *_mixed_environments([source.card for source in sources])],
    )


# Reading runs and failures.


def read_sources(directory: Path) -> list[Source]:
    """Read every run below a directory, finished or not, and the failures of its sweeps.

    Raises:
        ConfigError: there is no such directory, or no run in it.
    """
    if not directory.is_dir():
        raise ConfigError(f"{directory} must be a directory with runs in it: there is none")
    if _is_run(directory):
        raise ConfigError(f"{directory} is a run: give the directory that holds it and others")
    sources = list(_sources(directory))
    if not sources:
        raise ConfigError(f"{directory} holds no runs: no directory below it has a config.yaml")
    return sources


def _sources(directory: Path) -> Iterator[Source]:
    failures = {path: _read_failure(path, directory) for path in _find(directory, "failures")}
    for path in _find(directory, "runs"):
        failure_file = path.parent / "failures" / f"{path.name}.json"
        _, reason = failures.pop(failure_file, ({}, ""))
        yield _read(Run(path), directory, reason)
    for path, (overrides, reason) in failures.items():
        record = Record(str(path.relative_to(directory)), failure=reason)
        yield Source(record, overrides, {}, {})


def _find(directory: Path, what: Literal["runs", "failures"]) -> Iterator[Path]:
    """Walk down to run directories or to failure files; a link is followed only to a run."""
    stack = [directory]
    while stack:
        path = stack.pop()
        if path != directory and _is_run(path):
            if what == "runs":
                yield path
        elif path != directory and path.is_symlink():
            continue
        elif path.name == "failures" and path != directory:
            if what == "failures":
                yield from sorted(path.glob("*.json"))
        else:
            try:
                stack += reversed(_directories(path))
            except OSError:
                if what == "runs":
                    yield path  # there may be runs below it: reading it tells why it can't be read


def _directories(path: Path) -> list[Path]:
    """List the directories in one, without hidden ones; none if it was removed meanwhile."""
    try:
        inner = sorted(child for child in path.iterdir() if child.is_dir())
    except FileNotFoundError:
        return []
    return [child for child in inner if not child.name.startswith(".")]


def _is_run(path: Path) -> bool:
    return os.path.isfile(path / "config.yaml")  # Path.is_file raises where it may not look


def _read_failure(path: Path, directory: Path) -> tuple[dict[str, str], str]:
    """Read a failure file: the job's overrides and the reason."""
    try:
        entry = read_json(path, Failure)
        return entry["overrides"], f"{entry['status']}: {entry['error']}"
    except ConfigError as error:
        return {}, _reason(error, directory)


def _reason(error: ConfigError, directory: Path) -> str:
    """Return the first line of an error, with paths relative to the directory."""
    return str(error).splitlines()[0].replace(f"{directory}/", "")


def _read(run: Run, directory: Path, reason: str) -> Source:
    """Read a run; one that can't be read is a failure.

    Args:
        run: the run.
        directory: the table's directory.
        reason: the reason in the sweep's failure file, or empty.
    """
    config: Mapping[str, Any] = {}
    overrides: Mapping[str, str] | None = None
    card: RunCard = {"status": "begun"}
    results: Results | None = None
    failure: str | None
    try:
        found = run.card if run.file("run.json").is_file() else None
        card = found or card
        if "overrides" in card:
            overrides = {key.lstrip("+~"): value for key, value in card["overrides"].items()}
        config = run.settings(found)
        failure = _failure(card, reason)
        results = run.results if failure is None else None
    except ConfigError as error:
        failure = _reason(error, directory)
    record = Record(
        name=str(run.path.relative_to(directory)),
        scores=_scores(results, card) if results else {},
        floor=_numbers(results["floor"]) if results else {},
        higher_is_better=_directions(results, config) if results else {},
        failure=failure,
        run=run,
    )
    return Source(record, overrides, config, card)


def _failure(card: RunCard, reason: str) -> str | None:
    """Return why a run has no results, `None` if it has; the sweep's own reason comes first."""
    status = card["status"]
    if status == "finished":
        return None
    if status in ("begun", "running"):
        return reason or "unfinished: it was killed, or is still training"
    step = (card.get("sessions") or [{}])[-1].get("last_step")
    return reason or f"{status}: {card.get('reason') or f'at update {step}'}"


def _scores(results: Results, card: RunCard) -> dict[str, float]:
    scores = {
        f"{split}/{name}": value
        for split in ("test", "val", "train")
        for name, value in _numbers(results.get(split)).items()
    }
    costs = ("seconds", "cpu_seconds")
    return scores | _numbers(results) | _numbers({name: card.get(name) for name in costs})


def _directions(results: Results, config: Mapping[str, Any]) -> Mapping[str, bool]:
    """Return what the task declares; in results of an earlier version only its class does."""
    if "higher_is_better" in results:
        return results["higher_is_better"]
    try:
        return dict(target(config["task"]).higher_is_better)
    except (ConfigError, AttributeError, LookupError, TypeError):
        return {}


def _numbers(tree: Any) -> dict[str, float]:
    entries = tree.items() if isinstance(tree, dict) else ()
    return {
        str(name): value
        for name, value in entries
        if isinstance(value, int | float) and not isinstance(value, bool)
        if not abs(value) > 1e300  # infinite, or an int too large for a float; NaN is kept
    }


def _agreed(declarations: Iterable[Mapping[str, bool]]) -> dict[str, bool]:
    """Merge declarations, without the names of which they contradict each other."""
    declared: dict[str, set[bool]] = {}
    for declaration in declarations:
        for name, value in declaration.items():
            declared.setdefault(name, set()).add(value)
    return {name: values.pop() for name, values in declared.items() if len(values) == 1}


# Finding the swept settings.


def differing(sources: Sequence[Source]) -> list[str]:
    """List the overrides whose values differ, or the settings if a run has no overrides."""
    known = [source for source in sources if source.config]
    if all(source.overrides for source in known):
        keys = _differing_overrides(sources)
    else:
        keys = _differing_settings([source.leaves for source in known])
    return keys + _differing_contents(known)


def _differing_overrides(sources: Sequence[Source]) -> list[str]:
    keys = dict.fromkeys(key for source in sources for key in source.overrides or {})
    return [key for key in keys if _is_setting(key) and _differs(sources, key)]


def _differs(sources: Iterable[Source], key: str) -> bool:
    values = {source.value(key) for source in sources}
    return len(values - {ABSENT}) > 1


def _differing_settings(configs: Sequence[Mapping[str, SettingValue]]) -> list[str]:
    """List the settings in which configs differ beyond what their choices explain.

    So `model.cell.hidden_size` is listed if it differs among runs of the same `choices.model`, and
    nothing that an experiment sets is listed unless runs of one experiment differ in it.
    """
    seen: dict[tuple[Any, ...], SettingValue] = {}
    swept: dict[str, None] = {}
    keys = dict.fromkeys(key for config in configs for key in config)
    for key in sorted(keys, key=lambda key: not key.startswith("choices.")):
        if not _is_setting(key.removeprefix("choices.")):
            continue
        for config in configs:
            choices = ((name, config.get(name)) for name in _choices_of(key, config))
            value = config.get(key)
            if seen.setdefault((key, *choices), value) != value:
                swept[key.removeprefix("choices.")] = None
    return list(swept)


def _differing_contents(sources: Sequence[Source]) -> list[str]:
    """List the data files that had one path but different contents."""
    held: dict[tuple[str, SettingValue], set[SettingValue]] = {}
    for source in sources:
        for key in source.leaves:
            if key.startswith(_CONTENTS):
                name = source.leaves.get(key.removeprefix(_CONTENTS))
                held.setdefault((key, name), set()).add(source.leaves[key])
    return list(dict.fromkeys(key for (key, _), digests in held.items() if len(digests) > 1))


def _choices_of(key: str, config: Mapping[str, SettingValue]) -> list[str]:
    """List the choices that may have set a setting."""
    if key == "choices.experiment":
        return []
    part = key.partition(".")[0]
    choices = (name for name in config if name.startswith("choices."))
    return sorted(name for name in choices if re.split("[./]", name)[1] in (part, "experiment"))


def _is_setting(key: str) -> bool:
    """Whether a key configures the run, rather than the sweep or where it is written."""
    return key.split(".")[0].split("/")[0] not in (*_NOT_SETTINGS, "hydra")


def _with_settings(source: Source, keys: Sequence[str]) -> Record:
    """Return the record with its values of the swept settings, if they are known."""
    values = {key: source.value(key) for key in keys}
    task = source.value("task")
    record = replace(source.record, task=None if task is ABSENT else str(task))
    if not source.config and (not source.overrides or ABSENT in values.values()):
        return replace(record, has_settings=False)
    settings = {key: None if value is ABSENT else value for key, value in values.items()}
    return replace(record, settings=settings)


def _without_duplicates(
    records: Sequence[tuple[Record, Mapping[str, Any]]],
) -> tuple[list[Record], list[str]]:
    """Keep one run of each combination of settings: the latest, but a finished one before others.

    Args:
        records: each with its run card.

    Returns:
        The records, and a remark on what was left out.
    """
    kept: dict[Any, tuple[Any, Record]] = {}
    for record, card in records:
        key = tuple(record.settings.items()) if record.has_settings else record.name
        rank = (record.failure is None, str(card.get("started", "")))
        if key not in kept or rank >= kept[key][0]:
            kept[key] = (rank, record)
    left_out = len(records) - len(kept)
    remark = f"{left_out} runs are left out: finished or later ones have the same settings"
    return [record for _, record in kept.values()], [remark] if left_out else []


def _shared(overrides: Sequence[Mapping[str, str]]) -> dict[str, str]:
    first, *others = overrides
    return {
        key: value
        for key, value in first.items()
        if _is_setting(key) and all(other.get(key) == value for other in others)
    }


def _mixed_environments(cards: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return remarks on runs of different code or machines."""
    facts = {
        "commits of rnnlab": ("git", "commit"),
        "versions of torch": ("versions", "torch"),
        "devices": ("device",),
    }
    values = {name: {_fact(card, *path) for card in cards} - {None} for name, path in facts.items()}
    counts = {name: len(known) for name, known in values.items()}
    return [f"the runs come from {count} {name}" for name, count in counts.items() if count > 1]


def _fact(tree: Any, *path: str) -> str | None:
    for name in path:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return None if tree is None else str(tree)


def _parse(text: Any) -> Any:
    """Parse an override's value as int, float, bool or null, else as text."""
    if not isinstance(text, str):
        return text
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return value if math.isfinite(value) else text
    return {"null": None, "true": True, "false": False}.get(text, text)
