"""The directories of configs, and Hydra initialized to read them."""

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
from rnnlab.config.hydra_options import options_registered
from rnnlab.errors import ConfigError

_HYDRA = threading.RLock()


def version_arguments(version: str) -> dict[str, str]:
    """Return the keyword argument `version_base` for a version of Hydra that needs it.

    Hydra 1.4 and later warn if it is given.
    """
    return {"version_base": "1.3"} if version.split(".")[:2] == ["1", "3"] else {}


VERSION = version_arguments(hydra.__version__)
"""Keyword arguments for initializing the installed Hydra."""


def config_directory() -> Path:
    """Return the directory of rnnlab's configs: in the installed package, or in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parents[1] / "configs"


@dataclass(frozen=True)
class ConfigSource:
    """The configs that a command line selects, beside those of rnnlab.

    Attributes:
        directory: directory of the user's configs (`--config-dir`), or `None`.
        name: name of the primary config (`--config-name`).
    """

    directory: Path | None = None
    name: str = "train"

    @classmethod
    def at(cls, directory: str | Path | None) -> "ConfigSource":
        """Return the source with a directory of the user's configs, or without one."""
        return cls(None if directory is None else Path(directory).expanduser())

    def check(self) -> None:
        """Check the directory of the user's configs.

        Raises:
            ConfigError: it is not a directory, or `check_names` refuses it.
        """
        if self.directory is None:
            return
        if not self.directory.is_dir():
            raise ConfigError(f"--config-dir must be a directory, got {self.directory}")
        check_names(self.directory)


def check_names(directory: Path) -> None:
    """Refuse a directory with a config that has the name of one of rnnlab's and other content.

    Hydra reads the first that it finds, so that one of the two would be ignored.

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


BUILT_IN = ConfigSource()
_SOURCE: ContextVar[ConfigSource] = ContextVar("source", default=BUILT_IN)


@contextmanager
def using_source(source: ConfigSource) -> Iterator[None]:
    """Read configs from a source, too, within the block.

    Raises:
        ConfigError: as for `ConfigSource.check`.
    """
    source.check()
    before = _SOURCE.set(source)
    try:
        yield
    finally:
        _SOURCE.reset(before)


def primary_config() -> str:
    """Return the name of the primary config."""
    return _SOURCE.get().name


def config_directories() -> list[Path]:
    """Return all directories of configs: rnnlab's, the user's, and those of allowed packages."""
    return [config_directory(), *added_directories()]


def added_directories() -> list[Path]:
    """Return the directories of configs of the user and of allowed packages."""
    own = _SOURCE.get().directory
    return [*([own] if own else []), *package_directories()]


def package_directories() -> list[Path]:
    """Return the directories of configs of allowed packages.

    Raises:
        ConfigError: as for `check_names`.
    """
    found = packages.config_directories()
    for directory in found:
        check_names(directory)
    return found


def _equal(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()


@contextmanager
def isolated_hydra() -> Iterator[None]:
    """Allow Hydra to be initialized with our options, even if the caller has initialized it.

    The caller's Hydra is restored afterwards. One thread at a time.
    """
    with _HYDRA:
        instance = GlobalHydra.instance()
        callers, instance.hydra = instance.hydra, None
        try:
            with options_registered():
                yield
        finally:
            GlobalHydra.instance().hydra = callers


@contextmanager
def hydra_initialized() -> Iterator[ConfigLoader]:
    """Initialize Hydra as `rnnlab-train` does, and yield its config loader."""
    with isolated_hydra(), initialize_config_dir(str(config_directory()), **VERSION):
        loader = GlobalHydra.instance().config_loader()
        if added := added_directories():
            assert isinstance(loader, ConfigLoaderImpl)
            path = loader.get_search_path()
            schema = SearchPathQuery(provider="schema")
            for number, directory in enumerate(added):
                path.prepend(f"own-{number}", f"file://{directory.absolute()}", schema)
            loader.repository.initialize_sources(path)
        yield loader
