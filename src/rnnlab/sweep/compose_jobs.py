"""Configs of a sweep's many jobs: what they choose alike is composed once."""

import pickle
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, open_dict

from rnnlab.config.overrides import parse


class Composed(NamedTuple):
    """What Hydra makes of the words of a job.

    Attributes:
        cfg: the config without Hydra's own part.
        said: the words that are not Hydra's own.
        choices: the option that each group has.
    """

    cfg: DictConfig
    said: list[str]
    choices: Mapping[str, Any]


class Composer:
    """Composes jobs as Hydra does, which takes a tenth of a second for each.

    Words that choose from groups, add, delete or are Hydra's own decide what is composed; words
    that only change a value that is there are put in afterwards, as Hydra does it too.

    Args:
        loader: Hydra's.
        master: the config of the sweep.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        self._loader, self._master = loader, master
        self._found: dict[tuple[str, ...], _Found] = {}
        self._is_group: dict[str, bool] = {}
        self._parse = cache(parse)  # of grid's words most are the same from job to job

    def __call__(self, words: Sequence[str]) -> Composed:
        """Compose one job.

        Raises:
            HydraException: the words don't make a config.
        """
        overrides = {word: self._parse(word) for word in words}
        choosing = tuple(word for word, override in overrides.items() if self._chooses(override))
        if choosing not in self._found:
            self._found[choosing] = self._compose(choosing)
        found = self._found[choosing]
        cfg = pickle.loads(found.pickled)
        values = [override for word, override in overrides.items() if word not in choosing]
        ConfigLoaderImpl._apply_overrides_to_config(values, cfg)
        said = [word for word, o in overrides.items() if not o.is_hydra_override()]
        return Composed(cfg, said, found.choices)

    def _chooses(self, override: Override) -> bool:
        if override.type is not OverrideType.CHANGE or override.is_hydra_override():
            return True
        key = override.key_or_group
        if key not in self._is_group:
            self._is_group[key] = bool(self._loader.get_group_options(key))
        return self._is_group[key]

    def _compose(self, words: Sequence[str]) -> "_Found":
        cfg = self._loader.load_sweep_config(self._master, list(words))
        choices = dict(cfg.hydra.runtime.choices)
        with open_dict(cfg):
            del cfg["hydra"]
        return _Found(pickle.dumps(cfg), choices)


class _Found(NamedTuple):
    """What choices make; a pickle is copied eight times as fast as a config copies itself."""

    pickled: bytes
    choices: Mapping[str, Any]
