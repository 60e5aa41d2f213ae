"""Other packages whose classes configs may name: by `packages=[mypkg]`, or by an entry point.

A config names classes, and building them runs code, but a config may come from a stranger's run
directory. So a package is imported only if the caller has named it in this process, or if it is
installed with the entry point

    [project.entry-points."rnnlab.packages"]
    mypkg = "mypkg"

If it has a directory `configs`, those are added to rnnlab's.
"""

import os
import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from rnnlab.config.overrides import parse_override
from rnnlab.errors import ConfigError
from rnnlab.spelling import printable

ENTRY_POINTS = "rnnlab.packages"
_NAMED: dict[str, None] = {}  # in the order in which they were named


def allow_packages(names: Iterable[str]) -> None:
    """Allow configs to name classes of packages, for the rest of the process.

    A package that is not installed may be in the working directory.

    Raises:
        ConfigError: a package can't be imported; none is allowed then.
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


def allow_packages_of(overrides: Iterable[str]) -> None:
    """Allow the packages of the override `packages=[...]`; an invalid one is reported later.

    Raises:
        ConfigError: as for `allow_packages`.
    """
    for text in overrides:
        if not text.startswith("packages="):
            continue
        try:
            names = parse_override(text).value()
        except ConfigError:
            continue
        if isinstance(names, list):
            allow_packages(map(str, names))


def allowed_packages() -> tuple[str, ...]:
    """Return the packages whose classes configs may name, besides rnnlab."""
    return tuple(dict.fromkeys([*_installed(), *_NAMED]))


def config_directories() -> list[Path]:
    """Return the directories of configs of the allowed packages."""
    specs = (find_spec(name) for name in allowed_packages())
    roots = (root for spec in specs if spec for root in spec.submodule_search_locations or ())
    return [path for root in roots if (path := Path(root) / "configs").is_dir()]


@cache
def _installed() -> tuple[str, ...]:
    """Return the packages with an entry point, without those that can't be found."""
    names = {point.module.partition(".")[0] for point in entry_points(group=ENTRY_POINTS)}
    return tuple(sorted(name for name in names if find_spec(name)))
