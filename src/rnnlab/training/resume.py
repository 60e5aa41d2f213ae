"""Where and how a run goes on: its newest whole checkpoint, and what may be different."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rnnlab.config.compose import apply_overrides, flat
from rnnlab.errors import ConfigError, Damaged
from rnnlab.files import checkpoint
from rnnlab.process.output import note
from rnnlab.runs.curve import parse_curve, read_curve
from rnnlab.runs.loggers import Events
from rnnlab.runs.metrics_csv import CSVLog
from rnnlab.runs.named_files import changes, moved
from rnnlab.runs.run import Run

MAY_CHANGE = (
    "trainer.max_steps",
    "trainer.max_sequences",
    "trainer.max_minutes",
    "trainer.val_every",
    "trainer.log_every",
    "trainer.save_every",
    "trainer.save_minutes",
    "trainer.patience",
    "trainer.accelerator",
    "trainer.deterministic",
    "trainer.profile",
    "threads",
    "watch",
    "watch_every",
)
"""What a run may go on with otherwise than it began: how long, where, and what is written."""


@dataclass(frozen=True)
class Point:
    """Where training goes on.

    Attributes:
        file: the checkpoint in the run directory, or `None` for the very beginning.
        step: updates done.
        config: what made it.
        rows: of `metrics.csv`, up to there.
        records: how many TensorBoard records there were; `None` where nobody knows.
    """

    file: str | None
    step: int
    config: dict[str, Any]
    rows: Sequence[Mapping[str, float]] = ()
    records: int | None = None


BEGINNING = Point(None, 0, {})


def written(curve: CSVLog, events: Events, step: int) -> dict[str, Any]:
    """Tell what the run's own files hold up to an update, for the checkpoint of it."""
    return {"curve": curve.text(step), "records": events.count(step)}


def point(run: Run) -> Point:
    """Find the newest whole checkpoint, and put it in its place.

    A checkpoint holds the rows of `metrics.csv` too: whatever became of the file, it is written
    anew from them, and where it held something else this is said.

    Raises:
        ConfigError: there are checkpoints, but none that can be read, or `metrics.csv` can't be
            replaced.
    """
    if run.file("metrics.csv").is_dir():
        raise ConfigError(f"{run.path / 'metrics.csv'} is a directory: move it away to go on")
    last = run.file(f"checkpoints/{checkpoint.LAST}")
    previous = run.file(f"checkpoints/{checkpoint.PREVIOUS}")
    problems = []
    for path in (last, previous):
        if not path.exists():
            continue
        try:
            content = checkpoint.read(path)
            step, told = int(content["global_step"]), dict(content.get("written") or {})
            found = Point(
                str(last),
                step,
                dict(content["config"]),
                _rows(run, step, told.get("curve")),
                int(told["records"]) if told else None,
            )
        except (Damaged, KeyError, TypeError, ValueError) as error:
            problems.append(str(error))
            continue
        for problem in problems:
            note(f"{problem}: going on from update {found.step}")
        if path is previous:
            previous.replace(last)  # or the next save would keep the damaged one
        return found
    if problems:
        raise ConfigError(
            "\n".join([*problems, "resume needs a whole checkpoint: init_from may use best.ckpt"])
        )
    return BEGINNING


def _rows(run: Run, step: int, text: str | None) -> list[dict[str, float]]:
    """Give the rows up to an update: the checkpoint's, else what can be read of the file."""
    path = run.file("metrics.csv")
    try:
        there = [row for row in read_curve(path) if row["step"] <= step] if path.exists() else []
        problem = f"{path} lacks what was logged up to update {step}, or holds something else"
    except Damaged as error:
        there, problem = [], str(error)
    rows = there if text is None else parse_curve(text, "the curve in the checkpoint")
    if repr(rows) != repr(there):  # NaN is itself
        note(f"{problem}: written anew from the checkpoint")
    elif text is None and not rows:
        note(f"{problem}: the curve begins anew")
    return rows


def settings(run: Run, words: list[str]) -> DictConfig:
    """Give the run's config with what is to be different.

    Words that say what the run has already are taken too, so that the command that began it works
    with `resume=` added.

    Raises:
        ConfigError: a word can't be read, is no setting, or chooses otherwise than the run.
    """
    choices = OmegaConf.to_container(run.config.get("choices") or OmegaConf.create())
    assert isinstance(choices, dict)
    changes, problems = [], []
    for word in words:
        key, _, value = word.partition("=")
        if key not in choices:
            changes.append(word)
        elif value != str(choices[key]):
            problems.append(f"{word} is not what the run has: {key}={choices[key]}")
    if problems:
        raise ConfigError("\n".join([*problems, _ADVICE]))
    return apply_overrides(run.config, changes)


def check_changes(cfg: DictConfig, at: Point) -> None:
    """Refuse to go on with what would make it another run.

    Raises:
        ConfigError: it names the keys that differ.
    """
    if at.file is None:
        return
    lost = [*changes(OmegaConf.create(at.config), cfg).values()]
    if lost:
        raise ConfigError("\n".join([*lost, "init_from=DIR begins a new run on another file"]))
    old, new = (
        {key: value for key, value in flat(tree).items() if key.partition(".")[0] not in _FILLED_IN}
        for tree in (at.config, OmegaConf.to_container(cfg, resolve=True))
    )
    allowed = (*MAY_CHANGE, *moved(at.config, cfg))
    problems = [
        f"resume can't change {key}: the checkpoint has {old.get(key)!r}, got {new.get(key)!r}"
        for key in dict.fromkeys([*old, *new])
        if old.get(key) != new.get(key) and key not in allowed
    ]
    if problems:
        raise ConfigError("\n".join([*problems, _ADVICE]))


_FILLED_IN = ("choices", "files")
_ADVICE = (
    f"resume may change only {', '.join(MAY_CHANGE)}; init_from=DIR begins a new run with the "
    "weights of an old one"
)
