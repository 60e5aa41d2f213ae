"""Packages of other people whose classes configs may name: `packages=[mypkg]`, or an entry point.

A config names classes, and building them runs code. So nothing outside rnnlab is imported for a
config's sake alone: a run directory may come from a stranger. A package counts once the caller has
named it in this process, or if it declares itself where it is installed:

    [project.entry-points."rnnlab.packages"]
    mypkg = "mypkg"

Its directory `configs`, where it has one, is read beside rnnlab's own.
"""

import os
import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from rnnlab.config.overrides import parse
from rnnlab.errors import ConfigError
from rnnlab.spelling import printable

ENTRY_POINTS = "rnnlab.packages"
_NAMED: dict[str, None] = {}  # in the order in which they were named


def admit(names: Iterable[str]) -> None:
    """Let configs name classes of packages from now on, because the caller named the packages.

    One that is not installed may lie in the working directory.

    Raises:
        ConfigError: a name is not that of a package that can be imported; none is admitted.
    """
    names = list(names)
    for name in names:
        if not re.fullmatch(r"[A-Za-z]\w*", name):
            raise ConfigError(f"packages must be names of packages, got {printable(name)!r}")
        here = Path.cwd() / name
        if find_spec(name) is None and (here.is_dir() or here.with_suffix(".py").is_file()):
            sys.path.append(os.getcwd())
        if find_spec(name) is None:
            raise ConfigError(
                f"packages names {name}, which can't be imported: install it, or run where its "
                "directory lies"
            )
    _NAMED.update(dict.fromkeys(names))


def admit_from(overrides: Iterable[str]) -> None:
    """Admit what `packages=[...]` names among overrides; of one that is wrong, its check tells.

    Raises:
        ConfigError: as `admit`.
    """
    for text in overrides:
        if not text.startswith("packages="):
            continue
        try:
            names = parse(text).value()
        except ConfigError:
            continue
        if isinstance(names, list):
            admit(map(str, names))


def admitted() -> tuple[str, ...]:
    """Give the packages whose classes configs may name, besides rnnlab."""
    return tuple(dict.fromkeys([*_installed(), *_NAMED]))


def directories() -> list[Path]:
    """Give the directories of configs that these packages have."""
    specs = (find_spec(name) for name in admitted())
    places = (place for spec in specs if spec for place in spec.submodule_search_locations or ())
    return [path for place in places if (path := Path(place) / "configs").is_dir()]


@cache
def _installed() -> tuple[str, ...]:
    """Give the packages that declare themselves, but for one that can't be found."""
    names = {point.module.partition(".")[0] for point in entry_points(group=ENTRY_POINTS)}
    return tuple(sorted(name for name in names if find_spec(name)))
