"""What a directory of runs holds: a record of each, with the settings in which they differ."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnlab.config.build import target
from rnnlab.errors import ConfigError
from rnnlab.files.foreign import Failure, Results, RunCard, read_json
from rnnlab.runs.run import Run

Setting = bool | int | float | str | None
Settings = Mapping[str, Setting]

_CONTENTS, _DIGITS = "files.", 8  # SHA-256 of what a file held
_ELSEWHERE = (
    *("output_dir", "sweep", "sweep_name", "dry_run", "on_error", "resume"),
    *("choices", "files"),
)
_ABSENT: Any = object()


@dataclass(frozen=True)
class Record:
    """One run or job: what was asked, and what came of it.

    Attributes:
        name: its directory, or its file among the failures, from the table's directory on.
        settings: those that are swept; a setting that it has not is `None`.
        scores: `train/`, `val/` and `test/` metrics, and what the run cost.
        floor: what can be scored without memory or learning, by plain names of metrics.
        higher_is_better: what its task declares of metrics, by plain names.
        failure: why there are no scores; `None` where there are.
        run: its directory, if it has one.
        task: the option of the group `task`; `None` where it is not known.
        placed: whether its settings are known; of a job that failed early they may not be.
    """

    name: str
    settings: Settings = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    floor: Mapping[str, float] = field(default_factory=dict)
    higher_is_better: Mapping[str, bool] = field(default_factory=dict)
    failure: str | None = None
    run: Run | None = None
    task: str | None = None
    placed: bool = True


@dataclass(frozen=True)
class Table:
    """All that is known of the runs below a directory.

    Attributes:
        directory: where they lie.
        keys: the settings that are swept.
        shared: the words that all command lines had.
        records: of the runs, by name.
        monitor: the metric by which most of them chose their best weights.
        higher_is_better: of the metrics that the tasks of the runs declare alike, by plain names.
        remarks: what a reader should know of how they came together.
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
        """Name all that was scored."""
        return list(dict.fromkeys(name for record in self.records for name in record.scores))


@dataclass(frozen=True)
class _Source:
    """What is read of a run, before it is known what differs."""

    record: Record
    words: Mapping[str, str] | None
    config: DictConfig
    card: Mapping[str, Any]

    @cached_property
    def leaves(self) -> dict[str, Setting]:
        return dict(_leaves(OmegaConf.to_container(self.config)))

    def value(self, key: str) -> Any:
        """Give a setting: the choice, the config's own value, or the word."""
        for name in (f"choices.{key}", key):
            if name in self.leaves:
                found = self.leaves[name]
                return str(found)[:_DIGITS] if key.startswith(_CONTENTS) else found
        return _typed((self.words or {}).get(key, _ABSENT))


def read_table(directory: Path) -> Table:
    """Read every run below a directory, finished or not, and the failures of its sweeps.

    The swept settings are the words of the command lines whose values differ; where a run has no
    words, whole configs are compared.

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
    known = [source for source in sources if source.config]
    if all(source.words for source in known):
        keys = _differing_words(sources)
    else:
        keys = _differing_settings([source.leaves for source in known])
    keys += _differing_contents(known)
    records, remarks = _newest([(_placed(source, keys), source.card) for source in sources])
    return Table(
        directory=directory,
        keys=keys,
        shared=_shared([source.words or {} for source in sources]),
        records=records,
        monitor=_most(str(source.config.get("monitor", "val/loss")) for source in known),
        higher_is_better=_alike(record.higher_is_better for record in records),
        remarks=[*remarks, *_mixtures([source.card for source in sources])],
    )


# What lies below a directory.


def _sources(directory: Path) -> Iterator[_Source]:
    failures = {path: _read_failure(path, directory) for path in _find(directory, "failures")}
    for path in _find(directory, "runs"):
        beside = path.parent / "failures" / f"{path.name}.json"
        _, why = failures.pop(beside, ({}, ""))
        yield _read(Run(path), directory, why)
    for path, (words, why) in failures.items():
        record = Record(str(path.relative_to(directory)), failure=why)
        yield _Source(record, words, OmegaConf.create(), {})


def _find(directory: Path, what: str) -> Iterator[Path]:
    """Walk down to runs, or to the failures that sweeps wrote down; links are runs at most."""
    left = [directory]
    while left:
        place = left.pop()
        if place != directory and _is_run(place):
            if what == "runs":
                yield place
        elif place != directory and place.is_symlink():
            continue
        elif place.name == "failures" and place != directory:
            if what == "failures":
                yield from sorted(place.glob("*.json"))
        else:
            inner = sorted(path for path in place.iterdir() if path.is_dir())
            left += [path for path in reversed(inner) if not path.name.startswith(".")]


def _is_run(path: Path) -> bool:
    return (path / "config.yaml").is_file()


def _read_failure(path: Path, directory: Path) -> tuple[dict[str, str], str]:
    """Give the words of a job that failed, and why."""
    try:
        entry = read_json(path, Failure)
        return entry["overrides"], f"{entry['status']}: {entry['error']}"
    except ConfigError as error:
        return {}, _reason(error, directory)


def _reason(error: ConfigError, directory: Path) -> str:
    """Say in a line what is wrong, without the path that all have in common."""
    return str(error).splitlines()[0].replace(f"{directory}/", "")


def _read(run: Run, directory: Path, why: str) -> _Source:
    """Read a run; one that can't be read is a failure too."""
    config, words = OmegaConf.create(), None
    card: RunCard = {"status": "begun"}
    results: Results | None = None
    failure: str | None
    try:
        card = run.card if run.file("run.json").is_file() else card
        if "overrides" in card:
            words = {key.lstrip("+~"): value for key, value in card["overrides"].items()}
        config = run.config
        failure = _failure(card, why)
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
    return _Source(record, words, config, card)


def _failure(card: RunCard, why: str) -> str | None:
    """Say why a run has no results: by its status, and what the sweep wrote down of it."""
    status = card["status"]
    if status == "finished":
        return None
    if status in ("begun", "running"):
        return why or "unfinished: it was killed, or is still training"
    step = (card.get("sessions") or [{}])[-1].get("last_step")
    return why or f"{status}: {card.get('reason') or f'at update {step}'}"


def _scores(results: Results, card: RunCard) -> dict[str, float]:
    scores = {
        f"{split}/{name}": value
        for split in ("test", "val", "train")
        for name, value in _numbers(results.get(split)).items()
    }
    costs = ("seconds", "cpu_seconds")
    return scores | _numbers(results) | _numbers({name: card.get(name) for name in costs})


def _directions(results: Results, config: DictConfig) -> Mapping[str, bool]:
    """Give what the task declares; results of an earlier version leave it to the task's class."""
    if "higher_is_better" in results:
        return results["higher_is_better"]
    try:
        return dict(target(config.task).higher_is_better)
    except (ConfigError, AttributeError, LookupError, OmegaConfBaseException):
        return {}


def _numbers(tree: Any) -> dict[str, float]:
    entries = tree.items() if isinstance(tree, dict) else ()
    return {
        str(name): value
        for name, value in entries
        if isinstance(value, int | float) and not isinstance(value, bool)
        if not abs(value) > 1e300  # infinite, or whole and too large to reckon with; NaN stays
    }


def _alike(declarations: Iterable[Mapping[str, bool]]) -> dict[str, bool]:
    """Merge what runs declare, without what they contradict each other in."""
    found: dict[str, set[bool]] = {}
    for declared in declarations:
        for name, value in declared.items():
            found.setdefault(name, set()).add(value)
    return {name: values.pop() for name, values in found.items() if len(values) == 1}


# In what they differ.


def _differing_words(sources: Sequence[_Source]) -> list[str]:
    keys = dict.fromkeys(key for source in sources for key in source.words or {})
    return [key for key in keys if not _is_elsewhere(key) and _differs(sources, key)]


def _differs(sources: Iterable[_Source], key: str) -> bool:
    values = {source.value(key) for source in sources}
    return len(values - {_ABSENT}) > 1


def _differing_settings(configs: Sequence[Mapping[str, Setting]]) -> list[str]:
    """Find where configs differ; a choice stands for the settings that it brought.

    So `model.cell.hidden_size` counts where it differs among runs of the same `choices.model`, and
    nothing that comes with an experiment counts as long as the runs of each are alike.
    """
    seen: dict[tuple[Any, ...], Setting] = {}
    swept: dict[str, None] = {}
    keys = dict.fromkeys(key for config in configs for key in config)
    for key in sorted(keys, key=lambda key: not key.startswith("choices.")):
        if _is_elsewhere(key.removeprefix("choices.")):
            continue
        for config in configs:
            brought = (key, *((name, config.get(name)) for name in _bringing(key, config)))
            value = config.get(key)
            if seen.setdefault(brought, value) != value:
                swept[key.removeprefix("choices.")] = None
    return list(swept)


def _differing_contents(sources: Sequence[_Source]) -> list[str]:
    """Find files of one name that held something else for some runs."""
    held: dict[tuple[str, Setting], set[Setting]] = {}
    for source in sources:
        for key in source.leaves:
            if key.startswith(_CONTENTS):
                name = source.leaves.get(key.removeprefix(_CONTENTS))
                held.setdefault((key, name), set()).add(source.leaves[key])
    return list(dict.fromkeys(key for (key, _), digests in held.items() if len(digests) > 1))


def _bringing(key: str, config: Mapping[str, Setting]) -> list[str]:
    """Name the choices that a setting may come from."""
    if key == "choices.experiment":
        return []
    part = key.partition(".")[0]
    choices = (name for name in config if name.startswith("choices."))
    own = (name for name in choices if re.split("[./]", name)[1] in (part, "experiment"))
    return sorted(own)


def _is_elsewhere(key: str) -> bool:
    """Tell the settings that change nothing in a run."""
    return key.split(".")[0].split("/")[0] in (*_ELSEWHERE, "hydra")


def _placed(source: _Source, keys: Sequence[str]) -> Record:
    """Tell a record what was swept, if that is known of it."""
    values = {key: source.value(key) for key in keys}
    task = source.value("task")
    record = replace(source.record, task=None if task is _ABSENT else str(task))
    if not source.config and (not source.words or _ABSENT in values.values()):
        return replace(record, placed=False)
    settings = {key: None if value is _ABSENT else value for key, value in values.items()}
    return replace(record, settings=settings)


def _newest(
    records: Sequence[tuple[Record, Mapping[str, Any]]],
) -> tuple[list[Record], list[str]]:
    """Keep one run of each settings: of two the finished one, of two such the later."""
    kept: dict[Any, tuple[Any, Record]] = {}
    for record, card in records:
        key = tuple(record.settings.items()) if record.placed else record.name
        rank = (record.failure is None, str(card.get("started", "")))
        if key not in kept or rank >= kept[key][0]:
            kept[key] = (rank, record)
    left_out = len(records) - len(kept)
    remark = f"{left_out} runs are left out: finished or later ones have the same settings"
    return [record for _, record in kept.values()], [remark] if left_out else []


def _shared(words: Sequence[Mapping[str, str]]) -> dict[str, str]:
    first, *others = words
    return {
        key: value
        for key, value in first.items()
        if not _is_elsewhere(key) and all(other.get(key) == value for other in others)
    }


def _mixtures(cards: Iterable[Mapping[str, Any]]) -> list[str]:
    """Warn of runs that stand on different code or machines."""
    facts = {
        "commits of rnnlab": ("git", "commit"),
        "versions of torch": ("versions", "torch"),
        "devices": ("device",),
    }
    cards = list(cards)  # of which those of runs that have hardly begun say nothing
    told = {name: {_fact(card, *path) for card in cards} - {None} for name, path in facts.items()}
    counts = {name: len(values) for name, values in told.items()}
    return [f"the runs come from {count} {name}" for name, count in counts.items() if count > 1]


def _fact(tree: Any, *path: str) -> str | None:
    for name in path:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return None if tree is None else str(tree)


def _most(values: Iterable[str]) -> str:
    found = list(values)
    return max(dict.fromkeys(found), key=found.count, default="")


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Setting]]:
    """Give the leaves of nested mappings by their dotted keys; a list is a text."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    else:
        plain = tree is None or isinstance(tree, bool | int | float | str)
        yield path, tree if plain else str(tree)


def _typed(text: Any) -> Any:
    """Read a word's value: a number where it is one."""
    if not isinstance(text, str):
        return text
    for read in (int, float):
        try:
            value = read(text)
        except ValueError:
            continue
        return value if math.isfinite(value) else text
    return {"null": None, "true": True, "false": False}.get(text, text)
