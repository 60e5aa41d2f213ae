"""Which runs can train as one batched model, and why others can't."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from rnnlab.cells import GRU, LSTM, Elman
from rnnlab.config.build import target
from rnnlab.config.compose import flat
from rnnlab.ensemble.kernels import library
from rnnlab.ensemble.optimizers import STACKED
from rnnlab.experiment.settings import resolved
from rnnlab.stackable import declared_stackable

_STACKED = {
    "seed",
    "trainer.clip_norm",
    "trainer.patience",
    *(f"optimizer.{name}" for name in ("lr", "weight_decay", "betas", "eps", "momentum", "alpha")),
}
"""Settings that members may have each its own of, beside what their classes declare."""

_IGNORED = {"output_dir"}
_FOREIGN = {"optimizer", "logger"}
"""Nodes of other people's classes, of which the rest is asked below."""

# An update of 64 runs one by one, against one of their group (64 sequences of `copy`, 40 steps, one
# thread; Lightning's own milliseconds a run are not counted), with the kernels and without (there
# with groups of 32):
#   hidden size         8         16         32         64        128       256
#   Elman        29.5  3.6            10.6  3.1   4.8  1.5   2.3  1.1  1.2
#   GRU          39.0  6.5            10.0  3.1   4.5  1.5   2.2  1.2  1.3
#   LSTM         14.9  2.0   7.1  1.2  3.9  1.1   2.2  0.7   1.4       0.9
#   Jordan       51.9  4.2            25.4  3.4              9.2  2.2
#   AR-FFN       21.4  4.9                                   6.5  3.5
_LARGEST: Mapping[Any, int] = {Elman: 256, GRU: 256, LSTM: 128}
"""Cell -> the largest hidden size at which a group is faster; others are at all that were tried."""
_LARGEST_WITHOUT_KERNELS: Mapping[Any, int] = {Elman: 128, GRU: 128, LSTM: 32}


@dataclass(frozen=True)
class Group:
    """Runs that belong together.

    Attributes:
        indices: their places in the list that was asked about.
        reason: why a run is alone, or `None` for a group.
    """

    indices: list[int]
    reason: str | None


class _Member(NamedTuple):
    """What is asked of a run.

    Attributes:
        settings: all of them, by their dotted keys.
        own: those of them that others of its group may have otherwise.
        refusal: why it can train in no group, or `None`.
    """

    settings: Mapping[str, Any]
    own: frozenset[str]
    refusal: str | None

    @property
    def shared(self) -> dict[str, Any]:
        """What all members of a group have alike."""
        return {name: value for name, value in self.settings.items() if name not in self.own}


def joinable(cfgs: Sequence[DictConfig]) -> list[Group]:
    """Sort runs into groups that can train as one, and runs that go alone, in the given order."""
    runs = [_member(cfg) for cfg in cfgs]
    found: dict[str, list[int]] = {}
    for n, run in enumerate(runs):
        if run.refusal is None:
            found.setdefault(repr(run.shared), []).append(n)
    groups = [Group(alike, None) for alike in found.values() if len(alike) > 1]
    for n, run in enumerate(runs):
        if all(n not in group.indices for group in groups):
            others = [other for m, other in enumerate(runs) if m != n]
            groups.append(Group([n], run.refusal or _difference(run, others)))
    return sorted(groups, key=lambda group: group.indices)


def _member(cfg: DictConfig) -> _Member:
    tree = OmegaConf.to_container(cfg, resolve=True)
    settings = {
        name: value
        for name, value in flat(tree).items()
        if name not in _IGNORED and not name.startswith("choices")
    }
    nodes = dict(_nodes("", tree))
    initial = {
        f"{path}.{name}"
        for path, node in nodes.items()
        if (declared := declared_stackable(target(node)))
        for name in declared.initial
    }
    refusal = next(_refusals(cfg, nodes), None)
    return _Member(settings, frozenset(_STACKED | initial), refusal)


def _nodes(path: str, tree: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give what makes an object, by its dotted key, outer ones first; not torch's and services."""
    if not isinstance(tree, Mapping) or path in _FOREIGN:
        return
    if "_target_" in tree:
        yield path, tree
    for name, inner in tree.items():
        yield from _nodes(f"{path}.{name}" if path else name, inner)


def _refusals(cfg: DictConfig, nodes: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    trainer = cfg.trainer
    if resolved(trainer.accelerator) != "cpu" or trainer.devices > 1 or trainer.strategy != "auto":
        yield "it trains on devices of its own, groups on one CPU"
    if trainer.precision != "32-true":
        yield f"trainer.precision={trainer.precision}, groups take 32-true"
    if trainer.accumulate > 1:
        yield f"trainer.accumulate={trainer.accumulate}, groups take 1"
    if trainer.max_minutes is not None:
        yield "trainer.max_minutes is a budget of a clock that members would share"
    if trainer.profile:
        yield "trainer.profile=true times a run alone"
    if cfg.watch == "full":
        yield "watch=full looks inside runs one by one"
    if cfg.get("logger"):
        yield "logger: services are told of runs one by one"
    if cfg.get("callbacks"):
        yield "callbacks look at runs one by one"
    if target(cfg.optimizer) not in STACKED:
        yield f"{target(cfg.optimizer).__name__} has no stacked form"
    for name in ("amsgrad", "centered", "maximize", "dampening"):
        if cfg.optimizer.get(name):
            yield f"optimizer.{name}={cfg.optimizer[name]} has no stacked form"
    for path, node in nodes.items():
        kind = target(node)
        declared = declared_stackable(kind)
        if declared is None:
            yield f"{path}: {kind.__name__} doesn't declare how it trains in a group"
        elif reason := declared.alone(node):
            yield f"{path} {reason}"
        elif (largest := _largest(kind)) and node["hidden_size"] > largest:
            size = f"{kind.__name__} of hidden_size={node['hidden_size']}"
            yield f"{size} is faster alone, above {largest}"


def _largest(kind: Any) -> int | None:
    return (_LARGEST if library() is not None else _LARGEST_WITHOUT_KERNELS).get(kind)


def _difference(run: _Member, others: Sequence[_Member]) -> str:
    """Name the settings in which a run differs from the one most like it."""
    if not others:
        return "it is the only one"
    own = run.shared
    names = min((_differing(own, other.shared) for other in others), key=len)
    if not names:
        return "those like it can't be grouped"
    return f"no other run has the same {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"


def _differing(own: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Name what two mappings don't have alike."""
    return [name for name in dict.fromkeys([*own, *other]) if own.get(name) != other.get(name)]
