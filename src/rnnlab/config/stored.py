"""Reading the `config.yaml` of a run directory."""

import os
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.basecontainer import get_yaml_loader  # type: ignore[attr-defined]  # 2.3 and 2.4
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from rnnlab.config.plain import is_plain
from rnnlab.errors import ConfigError
from rnnlab.files.atomic import path_inside
from rnnlab.files.untrusted import read_text
from rnnlab.spelling import first_line

_LARGEST, _DEEPEST = 30_000, 20  # bytes and levels of a config.yaml; ours have 3000 and 4


def run_config_path(path: str | Path, key: str) -> Path:
    """Return the path of a run's `config.yaml`.

    Args:
        path: the run directory.
        key: the setting that named it, for errors.

    Raises:
        ConfigError: it is not a run directory.
    """
    file = path_inside(Path(os.path.expanduser(path)), "config.yaml")
    if not file.is_file():
        raise ConfigError(
            f"{key} must be the directory of a run, with a config.yaml in it, got {path}"
        )
    return file


def read_config(path: Path) -> DictConfig:
    """Read a run's `config.yaml`, which may come from a stranger.

    Raises:
        ConfigError: as for `read_settings`.
    """
    settings = read_settings(path)
    try:
        return OmegaConf.create(settings)
    except Exception as error:
        # OmegaConf doesn't wrap all errors of its own.
        raise ConfigError(f"{path} can't be read: {first_line(error)}") from error


def read_settings(path: Path) -> dict[str, Any]:
    """Read a run's `config.yaml` as plain containers, many times as fast as `read_config`.

    It must hold plain values: yaml tags could make objects, interpolations could read the
    environment, and aliases could expand to more than fits into memory.

    Raises:
        ConfigError: it can't be read, or holds anything else.
    """
    text = read_text(path, largest=_LARGEST)
    try:
        settings = _document(yaml.parse(text, Loader=_loader()))
        if not isinstance(settings, dict) or not _is_plain(settings):
            raise ValueError("it must hold a mapping of plain values, without ${...}")
        if not _are_digests(settings.get("files")):
            raise ValueError("files must give the SHA-256 of each file that task or init_from name")
    except Exception as error:
        # The yaml parser and its constructors raise errors of several kinds.
        raise ConfigError(f"{path} can't be read: {first_line(error)}") from error
    return settings


def _document(events: Iterator[yaml.Event]) -> Any:
    """Return what the only document of a stream holds; `None` without one.

    It is built from the parser's events rather than by `yaml.load`, which makes an object of each
    scalar and tries all patterns on it: most scalars of many configs are the same.

    Raises:
        ValueError: the stream has several documents, or as for `_value`.
    """
    next(events)  # the stream's start
    if isinstance(next(events), yaml.StreamEndEvent):
        return None
    held = _value(next(events), events, 0)
    next(events)  # the document's end
    if not isinstance(next(events), yaml.StreamEndEvent):
        raise ValueError("it must be one document")
    return held


def _value(event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Any:
    """Return the value that begins with an event.

    Raises:
        ValueError: it is nested deeply, has a tag or an alias, or a key stands twice.
    """
    if depth > _DEEPEST or isinstance(event, yaml.AliasEvent):
        raise ValueError("it is deeper than any config, or holds aliases")
    if (tag := getattr(event, "tag", None)) is not None:
        raise ValueError(f"it holds the tag {tag}, and may have none")
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event.value, event.implicit)
    if isinstance(event, yaml.SequenceStartEvent):
        return [_value(inner, events, depth + 1) for inner in _until_end(events)]
    mapping: dict[Any, Any] = {}
    for inner in _until_end(events):
        key = _value(inner, events, depth + 1)
        if key in mapping:
            raise ValueError(f"the key {key} stands twice")
        mapping[key] = _value(next(events), events, depth + 1)
    return mapping


def _until_end(events: Iterator[yaml.Event]) -> Iterator[yaml.Event]:
    """Yield the events that begin the items of a collection, up to its end."""
    while not isinstance(event := next(events), yaml.CollectionEndEvent):
        yield event


@lru_cache(2048)
def _scalar(text: str, implicit: tuple[bool, bool]) -> Any:
    """Return the value of a scalar, as OmegaConf reads it.

    Args:
        text: the scalar.
        implicit: whether it may be other than text: it may if it is not quoted.
    """
    loader = _loader()("")
    tag = loader.resolve(yaml.ScalarNode, text, implicit)
    return loader.construct_object(yaml.ScalarNode(tag, text))


@cache
def _loader() -> Any:
    """Return OmegaConf's safe loader, parsing by libyaml if PyYAML was built with it."""
    slow: Any = get_yaml_loader()
    if not yaml.__with_libyaml__:
        return slow
    from yaml.cyaml import CParser

    if issubclass(slow, CParser):  # from OmegaConf 2.4 on
        return slow

    class Loader(CParser, slow):
        """OmegaConf's constructors and resolvers over the parser of libyaml."""

        def __init__(self, stream: str) -> None:
            CParser.__init__(self, stream)
            SafeConstructor.__init__(self)
            Resolver.__init__(self)

    return Loader


def _is_plain(value: Any) -> bool:
    """Whether a value and all inside it are of the kinds that configs have, without `${`."""
    if isinstance(value, dict):
        return all(_is_plain(key) and _is_plain(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, str):
        return "${" not in value
    return value is None or type(value) in (bool, int, float)


def _are_digests(files: Any) -> bool:
    """Whether these are hashes as `runs.named_files` writes them."""
    return isinstance(files, dict) and all(
        re.fullmatch(r"init_from|task\.\w+", str(key)) and re.fullmatch("[0-9a-f]{64}", str(value))
        for key, value in files.items()
    )


def has_interpolations(cfg: DictConfig) -> bool:
    """Whether a config may contain interpolations."""
    return not is_plain(cfg) and "${" in repr(OmegaConf.to_container(cfg))
