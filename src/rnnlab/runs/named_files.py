"""The files that settings name: where they lie, and what they hold.

A constructor declares such a setting by its annotation, `path: DataFile | None`. A config then
keeps its place from the root on, and in `files` the SHA-256 of what it holds: that is a part of a
run as much as any setting.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from omegaconf import DictConfig, OmegaConf, open_dict

from rnnlab.errors import ConfigError
from rnnlab.files.foreign import opened
from rnnlab.ranges import NamesFile

_LARGEST = 2**34  # bytes
_SHOWN = 8  # digits of a SHA-256
_WEIGHTS = "checkpoints/best.ckpt"


def anchored(cfg: DictConfig) -> DictConfig:
    """Say where files are from the root on, and what they hold.

    So a run can be used from anywhere, and is another run where a file holds something else. A
    file that can't be read is left to those who need it.
    """
    named = _named(cfg)
    if not named and not cfg.get("files"):
        return cfg
    cfg = cfg.copy()
    digests = {}
    for key, name in named.items():
        path = absolute(name)
        OmegaConf.update(cfg, key, str(path))
        with suppress(ConfigError):
            digests[key] = _digest(path / _WEIGHTS if key == "init_from" else path)
    with open_dict(cfg):
        cfg.files = digests
    return cfg


def absolute(name: str) -> Path:
    """Give a path from the root on; `~` is the home directory."""
    with suppress(RuntimeError):  # nobody's
        return Path(name).expanduser().absolute()
    return Path(name).absolute()


def changes(old: DictConfig, new: DictConfig) -> dict[str, str]:
    """Say of each data file that `old` was trained on what is the matter with it in `new`.

    Returns:
        Key -> a sentence, for those that aren't there any more or hold something else.
    """
    found = {}
    for key, then in _digests(old).items():
        if key == "init_from":  # the run has weights of its own by now
            continue
        now, path = _digests(new).get(key), OmegaConf.select(new, key)
        if now is None:
            found[key] = (
                f"{key}={path} can't be read any more: {key}=FILE says where the same file lies now"
            )
        elif now != then:
            found[key] = (
                f"{key}={path} holds something else than what the run learnt (SHA-256 "
                f"{then[:_SHOWN]}... then, {now[:_SHOWN]}... now): {key}=FILE says where the same "
                "file lies now"
            )
    return found


def moved(old: Mapping[str, Any], new: DictConfig) -> Iterator[str]:
    """Give the keys whose file lies elsewhere now, and holds the same."""
    digests = old.get("files") or {}
    return (key for key, now in _digests(new).items() if digests.get(key) == now)


def _digests(cfg: DictConfig) -> dict[str, str]:
    return {str(key): str(value) for key, value in (cfg.get("files") or {}).items()}


def _named(cfg: DictConfig) -> dict[str, str]:
    """Give the files that settings name, key -> name."""
    known = [*_digests(cfg)]  # what was declared when the file was there still is where it is not
    tree = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(tree, dict)
    keys = ["init_from", *known, *(f"task.{key}" for key in _declared(tree.get("task")))]
    given = {key: OmegaConf.select(cfg, key) for key in dict.fromkeys(keys)}
    return {key: name for key, name in given.items() if isinstance(name, str)}


def _declared(node: Any) -> Iterable[str]:
    """Name the settings of a node that are declared to be files.

    Its class is only loaded, with torch, where some setting is the name of something there is.
    """
    if not isinstance(node, Mapping):
        return []
    if not any(isinstance(value, str) and _exists(value) for value in node.values()):
        return []
    from rnnlab.config.build import annotations_of

    with suppress(ConfigError):  # told by whoever checks the config
        return [key for key, kind in annotations_of(node).items() if _is_file(kind)]
    return []


def _exists(name: str) -> bool:
    with suppress(OSError, ValueError):  # a NUL, or too long
        return absolute(name).exists()
    return False


def _is_file(kind: Any) -> bool:
    parts = (*getattr(kind, "__metadata__", ()), *get_args(kind))
    return NamesFile in parts or any(_is_file(part) for part in get_args(kind) if part is not kind)


def _digest(path: Path) -> str:
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from error
    return _digest_of(path, found.st_ino, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=64)
def _digest_of(path: Path, *_state: int) -> str:
    """Hash a file, once for all jobs of a sweep while it stays as it is."""
    with opened(path, largest=_LARGEST) as file:
        digest = hashlib.sha256()
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()
