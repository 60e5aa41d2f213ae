"""Where and how a run goes on: its newest whole checkpoint, and what may be different."""

from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rnnlab import checkpoint
from rnnlab.compose import GONE, apply_overrides
from rnnlab.errors import ConfigError, Damaged
from rnnlab.loggers import flat
from rnnlab.output import note
from rnnlab.run import Run

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
    """

    file: str | None
    step: int
    config: dict[str, Any]


BEGINNING = Point(None, 0, {})


def point(run: Run) -> Point:
    """Find the newest whole checkpoint, and put it in its place.

    Raises:
        ConfigError: there are checkpoints, but none that can be read.
    """
    last = run.file(f"checkpoints/{checkpoint.LAST}")
    previous = run.file(f"checkpoints/{checkpoint.PREVIOUS}")
    problems = []
    for path in (last, previous):
        if not path.exists():
            continue
        try:
            content = checkpoint.read(path)
            found = Point(str(last), int(content["global_step"]), dict(content["config"]))
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
    old, new = (
        {key: value for key, value in flat(tree).items() if not key.startswith("choices")}
        for tree in (at.config, OmegaConf.to_container(cfg, resolve=True))
    )
    problems = [
        f"resume can't change {key}: the checkpoint has {old.get(key)!r}, got {new.get(key)!r}"
        for key in dict.fromkeys([*old, *new])
        if old.get(key) != new.get(key) and key not in (*MAY_CHANGE, *GONE)
    ]
    if problems:
        raise ConfigError("\n".join([*problems, _ADVICE]))


_ADVICE = (
    f"resume may change only {', '.join(MAY_CHANGE)}; init_from=DIR begins a new run with the "
    "weights of an old one"
)
