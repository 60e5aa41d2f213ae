"""The hidden size that gives a model a number of parameters."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rnnlab.config.build import build, check, target
from rnnlab.errors import ConfigError

_WIDTH = "hidden_size"
_SUFFIXES = {"": 1, "k": 10**3, "m": 10**6}
_MOST = 10**8  # parameters
_COARSEST = 512  # the smallest width that fits is searched up to it


def read_budget(text: int | str) -> int:
    """Read a number of parameters: 150000, 150k or 1.5M.

    Raises:
        ConfigError: it is none, or too many.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kKmM]?)", str(text).replace("_", ""))
    budget = round(float(match[1]) * _SUFFIXES[match[2].lower()]) if match else 0
    if not 1 <= budget <= _MOST:
        raise ConfigError(f"parameters must be a number such as 150k, up to 100M, got {text}")
    return budget


def sized(
    cfg: DictConfig, parameters: int | str | None, overrides: Iterable[str] = ()
) -> DictConfig:
    """Return a config whose model has nearly so many parameters, by its `hidden_size`.

    Each `hidden_size` of the model becomes the same number, that whose count is nearest.

    Args:
        cfg: a composed config.
        parameters: as `read_budget` takes it, or `None` to change nothing.
        overrides: what the config was composed from.

    Raises:
        ConfigError: the config is wrong, the model has no `hidden_size` or is larger whatever it
            is, or an override gives it.
    """
    if parameters is None:
        return cfg
    budget = read_budget(parameters)
    check(cfg)
    keys = width_keys(cfg)
    if given := [text for text in overrides if text.partition("=")[0] in keys]:
        raise ConfigError(f"parameters={parameters} chooses what {given[0]} says: give one of them")
    if not keys:
        name = cfg.choices.get("model") or "the model"
        raise ConfigError(f"parameters={parameters} needs a hidden_size, which {name} lacks")
    parts = OmegaConf.create({"model": cfg.model, "task": cfg.task})
    width = _nearest(OmegaConf.to_yaml(parts), tuple(keys), budget)
    return _with_width(cfg, keys, width)


def num_parameters(cfg: DictConfig) -> int:
    """Return the number of trained parameters of a config's model.

    Raises:
        ConfigError: task or model refuse their settings.
    """
    from rnnlab.process.global_state import global_state_restored

    with global_state_restored():
        task = build("task", cfg.task, target(cfg.model).layout, cfg.seed)
        return _count(cfg, task.spec)


def width_keys(cfg: DictConfig) -> list[str]:
    """Return the dotted keys of the model's widths that are one number each."""

    def inside(path: str, node: Any) -> Iterable[str]:
        for name in node:
            key, value = f"{path}.{name}", node[name]
            if OmegaConf.is_dict(value):
                yield from inside(key, value)
            elif name == _WIDTH and isinstance(value, int):
                yield key

    return [*inside("model", cfg.model)]


@cache
def _nearest(yaml: str, keys: tuple[str, ...], budget: int) -> int:
    """Return the width whose count is nearest; the jobs of a sweep ask for the same again."""
    from rnnlab.process.global_state import global_state_restored

    cfg = OmegaConf.create(yaml)
    assert isinstance(cfg, DictConfig)
    with global_state_restored():
        spec = build("task", cfg.task, target(cfg.model).layout, 0).spec

        def count(width: int) -> int:
            return _count(_with_width(cfg, keys, width), spec)

        step = _smallest(count)
        if (least := count(step)) > budget:
            raise ConfigError(
                f"parameters must be {least} or more with these settings, got {budget}"
            )
        low, high = step, 2 * step
        while count(high) < budget:
            low, high = high, 2 * high
        while high - low > step:
            middle = (low + high) // (2 * step) * step
            low, high = (middle, high) if count(middle) < budget else (low, middle)
        return min(low, high, key=lambda width: abs(count(width) - budget))


def _smallest(count: Callable[[int], int]) -> int:
    """Return the smallest width that a model takes; its multiples are taken to be the others.

    Raises:
        ConfigError: what the model says to the last width tried.
    """
    for width in range(1, _COARSEST + 1):
        try:
            count(width)
            return width
        except ConfigError:
            if width == _COARSEST:
                raise
    raise AssertionError


def _count(cfg: DictConfig, spec: Any) -> int:
    model = build("model", cfg.model, spec)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _with_width(cfg: DictConfig, keys: Sequence[str], width: int) -> DictConfig:
    cfg = cfg.copy()
    for key in keys:
        OmegaConf.update(cfg, key, width)
    return cfg
