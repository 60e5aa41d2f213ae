"""Files that settings name: a run's config stores their absolute path and SHA-256.

A constructor declares such a setting by its annotation, `path: DataFile | None`. The hash is
stored in `files` of the config, so that a changed file is a changed setting.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from omegaconf import DictConfig, OmegaConf, open_dict

from rnnlab.config.plain import plain
from rnnlab.errors import ConfigError
from rnnlab.files.untrusted import open_regular_file
from rnnlab.ranges import NamesFile

_LARGEST = 2**34  # bytes of a data file
_SHOWN = 8  # digits of a SHA-256 in a message
_WEIGHTS = "checkpoints/best.ckpt"


def with_file_hashes(cfg: DictConfig) -> DictConfig:
    """Return a config with absolute paths of its files, and their SHA-256 in `files`.

    A file that can't be read has no hash here; whoever reads it raises.
    """
    named = _named(cfg)
    if not named and not cfg.get("files"):
        return cfg
    cfg = cfg.copy()
    digests = {}
    for key, name in named.items():
        path = _absolute(name)
        OmegaConf.update(cfg, key, str(path))
        with suppress(ConfigError):
            digests[key] = _digest(path / _WEIGHTS if key == "init_from" else path)
    with open_dict(cfg):
        cfg.files = digests
    return cfg


def _absolute(name: str) -> Path:
    """Make a path absolute; `~` is the home directory."""
    with suppress(RuntimeError):  # `~name` of an unknown user
        return Path(name).expanduser().absolute()
    return Path(name).absolute()


def changed_files(old: DictConfig, new: DictConfig) -> dict[str, str]:
    """Find the data files of one config that are missing or have another content in another one.

    Returns:
        Key of each -> message.
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


def same_files(old: Mapping[str, Any], new: DictConfig) -> Iterator[str]:
    """Yield the keys whose file has the same content in both configs, wherever it is."""
    digests = old.get("files") or {}
    return (key for key, now in _digests(new).items() if digests.get(key) == now)


def _digests(cfg: DictConfig) -> dict[str, str]:
    return {str(key): str(value) for key, value in (cfg.get("files") or {}).items()}


def _named(cfg: DictConfig) -> dict[str, str]:
    """Return the files that settings name: key -> path."""
    hashed = [*_digests(cfg)]  # these may be missing by now, which `_declared` can't see
    tree = plain(cfg, resolve=False)
    keys = ["init_from", *hashed, *_declared("", tree)]
    values = {key: OmegaConf.select(cfg, key) for key in dict.fromkeys(keys)}
    return {key: name for key, name in values.items() if isinstance(name, str)}


def _declared(path: str, node: Mapping[Any, Any]) -> Iterator[str]:
    """Yield the keys, of a node and those inside it, that their classes declare as files.

    A class, and torch with it, is imported only if one of its settings is an existing path.
    """
    prefix = f"{path}." if path else ""
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _declared(f"{prefix}{key}", value)
    if "_target_" in node and any(isinstance(v, str) and _exists(v) for v in node.values()):
        from rnnlab.config.build import annotations_of

        with suppress(ConfigError):  # the check of the config reports it
            for key, kind in annotations_of(node).items():
                if _is_file(kind):
                    yield f"{prefix}{key}"


def _exists(name: str) -> bool:
    with suppress(OSError, ValueError):  # a NUL, or too long
        return _absolute(name).exists()
    return False


def _is_file(kind: Any) -> bool:
    parts = (*getattr(kind, "__metadata__", ()), *get_args(kind))
    return NamesFile in parts or any(_is_file(part) for part in get_args(kind) if part is not kind)


def _digest(path: Path) -> str:
    try:
        stat = path.stat()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from error
    return _digest_of(path, stat.st_ino, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _digest_of(path: Path, *_state: int) -> str:
    """Hash a file, once for all jobs of a sweep while its inode, time and size stay the same."""
    with open_regular_file(path, largest=_LARGEST) as file:
        digest = hashlib.sha256()
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()
