"""Words of the commands that use a run: keys of the command's own, and settings of the run."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from rnnlab.config.build import check_values
from rnnlab.config.packages import allow_packages_of
from rnnlab.config.suggestions import did_you_mean, explain_argument
from rnnlab.errors import ConfigError
from rnnlab.spelling import printable

_ROOT = (
    "threads",
    "flush_denormals",
    "packages",
)  # root settings of a run that may be changed when it is used
_OF_TRAINING = ("optimizer", "scheduler", "callbacks", "logger", "trainer")
_OF_TRAINING_DATA = ("data.batch_size", "data.train_size", "data.curriculum")
_USED = "trainer.overfit"  # which chooses the data of evaluations, too


def split_words(
    words: Sequence[str], fields: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Split words into values of a command's own keys, and overrides of the run's config.

    Args:
        words: `KEY=VALUE` each.
        fields: the command's keys with their annotations.
        given: values of keys that no word gives.

    Returns:
        The values of the command's keys, and the overrides.

    Raises:
        ConfigError: a word is not `KEY=VALUE`, a value is invalid, or `run` is missing.
    """
    own: dict[str, Any] = dict(given)
    rest = []
    for word, after in zip(words, [*words, ""][1:], strict=True):
        key, equals, value = word.partition("=")
        if word.startswith("-") or not key or not equals:
            raise ConfigError(explain_argument(word, after, list(fields)))
        if key in fields:
            own[key] = _read(value, fields[key])
        elif "." not in key and key not in _ROOT:
            raise ConfigError(
                f"{printable(key)} is not a setting{did_you_mean(key, [*fields, *_ROOT])}"
            )
        else:
            rest.append(word)
    if "run" in fields and "run" not in own:
        raise ConfigError("run=DIR is missing: the directory that training printed last")
    check_values(own, fields)
    allow_packages_of(rest)
    return own, rest


def refuse_training_settings(overrides: Sequence[str]) -> None:
    """Refuse overrides that change nothing about a model that is trained.

    Raises:
        ConfigError: with a line for each.
    """
    keys = dict.fromkeys(override.partition("=")[0].lstrip("+~") for override in overrides)
    problems = [
        f"{printable(key)} is a setting of training, and changes nothing here; those of task, "
        "model and held-out data do"
        for key in keys
        if (key.partition(".")[0] in _OF_TRAINING and key != _USED)
        or key.startswith(_OF_TRAINING_DATA)
    ]
    if problems:
        raise ConfigError("\n".join(problems))


def user_path(text: str | Path) -> Path:
    """Return a path as a person writes it: `~` is a home directory, where there is such a user."""
    return Path(os.path.expanduser(text))


def new_path(text: str | Path, key: str, kind: str = "file") -> Path:
    """Return the path of a file or directory that is to be made.

    Args:
        text: the path.
        key: the key that named it, for errors.
        kind: what it will be, for errors.

    Raises:
        ConfigError: it exists, or its directory doesn't or can't be written to.
    """
    path = user_path(text)
    if not str(text) or "\0" in str(text):
        raise ConfigError(f"{key} must be the path of a new {kind}, got {str(text)!r}")
    if path.is_symlink() or path.exists():
        raise ConfigError(f"{key} must be a new {kind}, got {text}, which is there")
    if not path.parent.is_dir():
        raise ConfigError(f"{key} must be in a directory that is there, got {text}")
    if not os.access(path.parent, os.W_OK):
        raise ConfigError(f"{key} must be in a directory that can be written to, got {text}")
    return path


def _read(value: str, kind: Any) -> Any:
    """Parse a value; of a key that takes text, a number stays text."""
    kinds = get_args(kind) or (kind,)
    if str in kinds and not (NoneType in kinds and value == "null"):
        return value
    for read in (int, float):
        try:
            return read(value)
        except ValueError:
            continue
    return {"null": None, "true": True, "false": False}.get(value, value)
