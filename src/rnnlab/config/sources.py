"""Where configs are found, and Hydra begun to read them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import hydra
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra

from rnnlab.config import packages
from rnnlab.config.hydra_options import offered
from rnnlab.errors import ConfigError

_HYDRA = threading.RLock()


def version_words(version: str) -> dict[str, str]:
    """Give what Hydra of a version must be told as a keyword: whose behaviour is expected.

    From 1.4 on there is one behaviour only, and Hydra warns where one is asked for.
    """
    return {"version_base": "1.3"} if version.split(".")[:2] == ["1", "3"] else {}


VERSION = version_words(hydra.__version__)
"""What this Hydra must be told when it is begun."""


def config_directory() -> Path:
    """Find the yaml files: inside an installed package, else beside `src` in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parents[1] / "configs"


@dataclass(frozen=True)
class Place:
    """What a command line says of where configs are found; ours are found in any case.

    Attributes:
        directory: of the user's own configs (`--config-dir`), or `None`.
        name: of the config that all begins with (`--config-name`).
    """

    directory: Path | None = None
    name: str = "train"

    def check(self) -> None:
        """Refuse a directory that can't be used as one would think.

        Raises:
            ConfigError: it is none, or it holds another config under the name of one of ours,
                which would never be read: Hydra takes the first that it finds.
        """
        if self.directory is None:
            return
        if not self.directory.is_dir():
            raise ConfigError(f"--config-dir must be a directory, got {self.directory}")
        check_names(self.directory)


def check_names(directory: Path) -> None:
    """Refuse a directory with another config under the name of one of ours.

    Hydra takes the first that it finds, so that one of the two would never be read.

    Raises:
        ConfigError: it names the file.
    """
    ours = config_directory()
    for path in sorted(ours.rglob("*.yaml")):
        own = directory / path.relative_to(ours)
        if own.is_file() and not _equal(own, path):
            raise ConfigError(
                f"{own} has the name of a config of rnnlab's, which is read in its place: "
                "give it another name"
            )


OURS = Place()
_PLACE: ContextVar[Place] = ContextVar("place", default=OURS)


@contextmanager
def found_at(place: Place) -> Iterator[None]:
    """Find configs there, too, for the time being.

    Raises:
        ConfigError: there can be none.
    """
    place.check()
    before = _PLACE.set(place)
    try:
        yield
    finally:
        _PLACE.reset(before)


def primary() -> str:
    """Give the name of the config that all begins with."""
    return _PLACE.get().name


def config_directories() -> list[Path]:
    """Give the directories that hold configs: ours, then the user's own and their packages'."""
    return [config_directory(), *own_directories()]


def own_directories() -> list[Path]:
    """Give the directories of configs that are the user's own, and of admitted packages."""
    own = _PLACE.get().directory
    return [*([own] if own else []), *package_directories()]


def package_directories() -> list[Path]:
    """Give the directories of configs that admitted packages have.

    Raises:
        ConfigError: one holds a config under the name of one of ours.
    """
    found = packages.directories()
    for directory in found:
        check_names(directory)
    return found


def _equal(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()


@contextmanager
def own_hydra() -> Iterator[None]:
    """Let Hydra be begun anew with our options, beside one that a caller has begun.

    One thread at a time.
    """
    with _HYDRA:
        instance = GlobalHydra.instance()
        callers, instance.hydra = instance.hydra, None
        try:
            with offered():
                yield
        finally:
            GlobalHydra.instance().hydra = callers


@contextmanager
def begun() -> Iterator[ConfigLoader]:
    """Begin Hydra as our command does, beside one that a caller has begun; gives its reader."""
    with own_hydra(), initialize_config_dir(str(config_directory()), **VERSION):
        loader = GlobalHydra.instance().config_loader()
        own = own_directories()
        if own:
            assert isinstance(loader, ConfigLoaderImpl)
            path = loader.get_search_path()
            schema = SearchPathQuery(provider="schema")
            for number, directory in enumerate(own):
                path.prepend(f"own-{number}", f"file://{directory.absolute()}", schema)
            loader.repository.initialize_sources(path)
        yield loader
