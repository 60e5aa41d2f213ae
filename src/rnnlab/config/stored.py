"""The config that a run wrote into its directory."""

import io
import os
import re
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from rnnlab.errors import ConfigError
from rnnlab.files.atomic import path_inside
from rnnlab.files.untrusted import read_text
from rnnlab.spelling import first_line

_LARGEST, _DEEPEST = 30_000, 20  # bytes and levels of a config.yaml; ours have 3000 and 4


def run_config_path(path: str | Path, key: str) -> Path:
    """Give the file that holds the config of a run.

    Args:
        path: the directory of the run.
        key: the setting that named it.

    Raises:
        ConfigError: it is no such directory.
    """
    file = path_inside(Path(os.path.expanduser(path)), "config.yaml")
    if not file.is_file():
        raise ConfigError(
            f"{key} must be the directory of a run, with a config.yaml in it, got {path}"
        )
    return file


def read_config(path: Path) -> DictConfig:
    """Read the config that a run wrote; it may come from a stranger, so nothing in it is run.

    A run writes plain values. Tags could make objects, references could read the environment, and
    aliases could stand for more than there is memory.

    Raises:
        ConfigError: it can't be read, or holds something else.
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
        # OmegaConf lets its yaml parser's and decoder's errors through as they are.
        raise ConfigError(f"{path} can't be read: {first_line(error)}") from error
    return cfg


def _are_digests(files: Any) -> bool:
    """Tell whether these are what `named_files` writes."""
    return isinstance(files, DictConfig) and all(
        re.fullmatch(r"init_from|task\.\w+", str(key)) and re.fullmatch("[0-9a-f]{64}", str(value))
        for key, value in files.items()
    )


def has_interpolations(cfg: DictConfig) -> bool:
    """Tell whether there may be references in a config."""
    return "${" in repr(OmegaConf.to_container(cfg))
