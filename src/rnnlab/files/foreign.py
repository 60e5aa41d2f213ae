"""Whatever comes from a file or a command line: read within bounds, checked, spelt to be shown.

A run directory may come from a stranger, and any file may be damaged. So nothing here waits (for a
pipe), reads without end (a device, a file larger than memory) or trusts a type; and no text reaches
a terminal or a page but through `printable`.
"""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NotRequired, TypeVar, cast

from pydantic import (
    ConfigDict,
    FiniteFloat,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    with_config,
)
from typing_extensions import TypedDict

from rnnlab.errors import ConfigError, Damaged, Missing
from rnnlab.ranges import Count
from rnnlab.spelling import brief as brief
from rnnlab.spelling import printable as printable

JOB_NAME = "[0-9a-f]{12}"
"""What a job of a sweep is called: the beginning of its config's hash."""

LARGEST_TEXT = 2**31  # bytes of a corpus
LARGEST_TABLE = 2**28  # bytes of a curve; its rows take up to ten times as many
LARGEST_JSON = 2**23  # bytes; the objects that it becomes take up to thirty times as many
_FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY")
)
_Kind = TypeVar("_Kind")


@contextmanager
def opened(path: Path, *, largest: int) -> Iterator[BinaryIO]:
    """Open a regular file of a sane size to be read, and nothing else.

    Args:
        path: the file.
        largest: size in bytes.

    Raises:
        Damaged: it is no regular file, is larger, or can't be read.
        Missing: it isn't there.
    """
    try:
        with os.fdopen(os.open(path, _FLAGS), "rb") as file:
            kind = os.fstat(file.fileno())
            if not stat.S_ISREG(kind.st_mode):
                raise Damaged(f"{path} must be a regular file, which it is not")
            if kind.st_size > largest:
                raise Damaged(f"{path} is too large: it may have {largest} bytes")
            yield file
    except FileNotFoundError as error:
        raise Missing(f"{path} is missing") from error
    except IsADirectoryError as error:
        raise Damaged(f"{path} must be a regular file, which it is not") from error
    except (OSError, ValueError) as error:  # a NUL in its name
        if isinstance(error, ConfigError):
            raise
        why = getattr(error, "strerror", None) or error
        raise Damaged(f"{path} can't be read: {why}") from error


def read_bytes(path: Path, *, largest: int) -> bytes:
    """Read such a file whole.

    Raises:
        Damaged: it is no regular file, is larger, or can't be read.
        Missing: it isn't there.
    """
    with opened(path, largest=largest) as file:
        content = file.read(largest + 1)
    if len(content) > largest:  # it grew, or is one of /proc, whose size is 0
        raise Damaged(f"{path} is too large: it may have {largest} bytes")
    return content


def read_text(path: Path, *, largest: int = LARGEST_TEXT) -> str:
    """Read a UTF-8 text as `read_bytes` does.

    Raises:
        Damaged: as for `read_bytes`, or it is not UTF-8.
        Missing: it isn't there.
    """
    try:
        return read_bytes(path, largest=largest).decode()
    except UnicodeDecodeError as error:
        raise Damaged(f"{path} is damaged: it is not UTF-8") from error


def read_json(path: Path, kind: type[_Kind], *, largest: int = LARGEST_JSON) -> _Kind:
    """Read a JSON file whose fields are of the types that a `TypedDict` declares.

    Fields that it doesn't declare may hold anything.

    Raises:
        Damaged: as for `read_text`, it is no JSON, lacks a field or has one of another type.
        Missing: it isn't there.
    """
    return parse_json(read_text(path, largest=largest), kind, where=str(path))


def parse_json(text: str, kind: type[_Kind], *, where: str) -> _Kind:
    """Read JSON as `read_json` does.

    Args:
        text: what is read.
        kind: a `TypedDict`.
        where: it comes from, for errors.

    Raises:
        Damaged: it is no JSON, lacks a field or has one of another type.
    """
    try:
        loaded = json.loads(text)
        if "\\ud" in text.lower():  # half a character can't be written again
            json.dumps(loaded, ensure_ascii=False).encode()
    except RecursionError as error:
        raise Damaged(f"{where} is damaged: it is nested too deeply") from error
    except ValueError as error:
        raise Damaged(f"{where} is damaged: {error}") from error
    return checked(loaded, kind, where=where)


def checked(value: Any, kind: type[_Kind], *, where: str) -> _Kind:
    """Give a value whose fields are of the types that a `TypedDict` declares.

    Raises:
        Damaged: it lacks a field or has one of another type.
    """
    try:
        _adapter(cast(Any, kind)).validate_python(value)
    except ValidationError as error:
        raise Damaged(f"{where} is damaged: {_first_problem(error)}") from error
    return cast(_Kind, value)  # as it was written: an integer where a float may be stays one


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _first_problem(error: ValidationError) -> str:
    """Say what is wrong with the first field that is, without its value, which may be long."""
    problem: Any = error.errors(include_input=False, include_url=False)[0]
    path = ".".join(map(str, problem["loc"]))
    shown = printable(brief(path, 100))
    wanted = problem["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    if problem["type"] == "missing":
        return f"{shown} is missing"
    return f"{shown or 'it'} must be {wanted}"


# What rnnlab writes as JSON.

_OPEN = ConfigDict(extra="allow", strict=True)


@with_config(_OPEN)
class Session(TypedDict, total=False):
    """One process's training of a run, from a start to an end."""

    command: list[str]
    started: str
    ended: str
    status: str
    reason: str
    first_step: Count
    last_step: Count


@with_config(_OPEN)
class Git(TypedDict, total=False):
    """The checkout that the code lay in."""

    commit: str
    dirty: bool


@with_config(_OPEN)
class RunCard(TypedDict):
    """`run.json`: what is known of a run beside its settings and scores."""

    status: str
    format: NotRequired[Count]
    overrides: NotRequired[dict[str, str]]
    command: NotRequired[list[str]]
    started: NotRequired[str]
    ended: NotRequired[str]
    reason: NotRequired[str]
    seconds: NotRequired[FiniteFloat]
    cpu_seconds: NotRequired[FiniteFloat]
    sessions: NotRequired[list[Session]]
    python: NotRequired[str]
    versions: NotRequired[dict[str, str]]
    platform: NotRequired[str]
    processor: NotRequired[str]
    git: NotRequired[Git | None]
    seed: NotRequired[Count]
    threads: NotRequired[Count]
    device: NotRequired[str]
    determinism: NotRequired[str]
    fingerprint: NotRequired[str]
    parameters: NotRequired[Count]


@with_config(_OPEN)
class Results(TypedDict):
    """`results.json`: what the best weights scored, and what it took.

    A metric may be NaN, where nothing was answered, or infinite.
    """

    task: str
    model: str
    train: dict[str, float]
    val: dict[str, float]
    test: dict[str, float]
    floor: dict[str, float]
    higher_is_better: NotRequired[dict[str, bool]]
    breakdown: dict[str, dict[str, float]]
    parameters: Count
    steps: Count
    best_step: Count
    sequences: Count


@with_config(_OPEN)
class Vocabulary(TypedDict):
    """`vocabulary.json`: what each id of a run's task stands for."""

    symbols: list[str]


@with_config(_OPEN)
class Failure(TypedDict):
    """`failures/<job>.json` of a sweep: which job failed, how and why."""

    overrides: dict[str, str]
    status: str
    error: str


@with_config(_OPEN)
class Subject(TypedDict):
    """What all trials of a study share."""

    space: dict[str, str]
    fixed: dict[str, str]
    objectives: dict[str, str]


@with_config(_OPEN)
class TrialNotes(TypedDict, total=False):
    """What a study knows of a trial beside its values: its run, and why it failed."""

    run: Annotated[str, StringConstraints(pattern=f"^{JOB_NAME}$")]
    failure: Failure
