"""Reading the `config.yaml` of a run directory."""

import io
import os
import re
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

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

    It must hold plain values: yaml tags could make objects, interpolations could read the
    environment, and aliases could expand to more than fits into memory.

    Raises:
        ConfigError: it can't be read, or holds anything else.
    """
    text, depth = read_text(path, largest=_LARGEST), 0
    try:
        for event in yaml.parse(text):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST or isinstance(event, yaml.AliasEvent):
                raise ValueError("it is deeper than any config, or holds aliases")
        cfg = OmegaConf.load(io.StringIO(text))
        if not isinstance(cfg, DictConfig) or has_interpolations(cfg):
            raise ValueError("it must hold a mapping of plain values, without ${...}")
        if not _are_digests(cfg.get("files")):
            raise ValueError("files must give the SHA-256 of each file that task or init_from name")
    except Exception as error:
        # OmegaConf doesn't wrap the errors of its yaml parser and decoder.
        raise ConfigError(f"{path} can't be read: {first_line(error)}") from error
    return cfg


def _are_digests(files: Any) -> bool:
    """Whether these are hashes as `runs.named_files` writes them."""
    return isinstance(files, DictConfig) and all(
        re.fullmatch(r"init_from|task\.\w+", str(key)) and re.fullmatch("[0-9a-f]{64}", str(value))
        for key, value in files.items()
    )


def has_interpolations(cfg: DictConfig) -> bool:
    """Whether a config may contain interpolations."""
    return not is_plain(cfg) and "${" in repr(OmegaConf.to_container(cfg))
