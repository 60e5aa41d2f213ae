"""Reading of files that may be damaged or malicious, with bounded sizes and validated types.

A run directory may come from a stranger, and any file may be damaged. So no function here blocks
(on a pipe), reads without limit (a device, a file larger than memory) or trusts a type.
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
from rnnlab.spelling import brief, printable

JOB_NAME = "([A-Za-z0-9_][A-Za-z0-9_.+=,-]*-[0-9a-f]{8}|[0-9a-f]{12})"
"""Pattern of the name of a sweep's job: what varies and digits of its config's hash, or these."""

LARGEST_TEXT = 2**31  # bytes of a corpus
LARGEST_TABLE = 2**28  # bytes of a learning curve; its rows take up to ten times as many
LARGEST_JSON = 2**23  # bytes; the parsed objects take up to thirty times as many
_FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY")
)
_Kind = TypeVar("_Kind")


@contextmanager
def open_regular_file(path: Path, *, largest: int) -> Iterator[BinaryIO]:
    """Open a file for reading that must be a regular one of a limited size.

    Args:
        path: the file.
        largest: the limit in bytes.

    Raises:
        Damaged: it is not a regular file, is too large, or can't be read.
        Missing: it does not exist.
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
        reason = getattr(error, "strerror", None) or error
        raise Damaged(f"{path} can't be read: {reason}") from error


def read_bytes(path: Path, *, largest: int) -> bytes:
    """Read a regular file of a limited size.

    Raises:
        Damaged: as for `open_regular_file`.
        Missing: it does not exist.
    """
    with open_regular_file(path, largest=largest) as file:
        content = file.read(largest + 1)
    if len(content) > largest:  # it grew, or is one of /proc, whose size is 0
        raise Damaged(f"{path} is too large: it may have {largest} bytes")
    return content


def read_text(path: Path, *, largest: int = LARGEST_TEXT) -> str:
    """Read a UTF-8 text file of a limited size.

    Raises:
        Damaged: as for `open_regular_file`, or it is not UTF-8.
        Missing: it does not exist.
    """
    try:
        return read_bytes(path, largest=largest).decode()
    except UnicodeDecodeError as error:
        raise Damaged(f"{path} is damaged: it is not UTF-8") from error


def read_json(path: Path, kind: type[_Kind], *, largest: int = LARGEST_JSON) -> _Kind:
    """Read a JSON file, and validate its fields against a `TypedDict`.

    Fields that are not declared may hold anything.

    Raises:
        Damaged: as for `read_text`, or it is not JSON, lacks a field or has one of another type.
        Missing: it does not exist.
    """
    return parse_json(read_text(path, largest=largest), kind, where=str(path))


def parse_json(text: str, kind: type[_Kind], *, where: str) -> _Kind:
    """Parse JSON, and validate its fields against a `TypedDict`.

    Args:
        text: the JSON.
        kind: a `TypedDict`.
        where: source of the text, for errors.

    Raises:
        Damaged: it is not JSON, lacks a field or has one of another type.
    """
    try:
        loaded = json.loads(text)
        if "\\ud" in text.lower():  # a lone surrogate could not be written again
            json.dumps(loaded, ensure_ascii=False).encode()
    except RecursionError as error:
        raise Damaged(f"{where} is damaged: it is nested too deeply") from error
    except ValueError as error:
        raise Damaged(f"{where} is damaged: {error}") from error
    return validate(loaded, kind, where=where)


def validate(value: Any, kind: type[_Kind], *, where: str) -> _Kind:
    """Validate the fields of a value against a `TypedDict`, and return the value.

    Raises:
        Damaged: it lacks a field or has one of another type.
    """
    try:
        _adapter(cast(Any, kind)).validate_python(value)
    except ValidationError as error:
        raise Damaged(f"{where} is damaged: {_first_problem(error)}") from error
    return cast(_Kind, value)  # pydantic's result would turn integers into floats


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _first_problem(error: ValidationError) -> str:
    """Describe the first field that is wrong, without its value, which may be long."""
    problem: Any = error.errors(include_input=False, include_url=False)[0]
    path = ".".join(map(str, problem["loc"]))
    shown = printable(brief(path, 100))
    wanted = problem["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    if problem["type"] == "missing":
        return f"{shown} is missing"
    return f"{shown or 'it'} must be {wanted}"


# The JSON files that rnnlab writes.

_OPEN = ConfigDict(extra="allow", strict=True)


@with_config(_OPEN)
class Session(TypedDict, total=False):
    """A session of training in `run.json`, from a start or resume to an end."""

    command: list[str]
    started: str
    ended: str
    status: str
    reason: str
    first_step: Count
    last_step: Count


@with_config(_OPEN)
class Git(TypedDict, total=False):
    """The git checkout of rnnlab's code."""

    commit: str
    dirty: bool


@with_config(_OPEN)
class RunCard(TypedDict):
    """`run.json`: status, times, versions and machine of a run."""

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
    """`results.json`: metrics of the best weights, and sizes of model and training.

    A metric may be infinite, or NaN if nothing was scored.
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
    """`vocabulary.json`: the symbol of each id of a run's task."""

    symbols: list[str]


@with_config(_OPEN)
class Failure(TypedDict):
    """`failures/<job>.json` of a sweep: overrides, status and error of a failed job."""

    overrides: dict[str, str]
    status: str
    error: str


@with_config(_OPEN)
class Subject(TypedDict):
    """The search space, fixed overrides and objectives of a study, equal in all its trials."""

    space: dict[str, str]
    fixed: dict[str, str]
    objectives: dict[str, str]


@with_config(_OPEN)
class TrialNotes(TypedDict, total=False):
    """User attributes of a trial in a study: the name of its run, and its failure."""

    run: Annotated[str, StringConstraints(pattern=f"^{JOB_NAME}$")]
    failure: Failure
