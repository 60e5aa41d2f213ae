"""Which runs can train as one batched model, and why others must train alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from omegaconf import DictConfig

from rnnlab.cells import CTRNN, GRU, LSTM, MRNN, NTM, Elman, MinGRU, StackRNN
from rnnlab.config.build import target
from rnnlab.config.compose import flat
from rnnlab.config.plain import plain
from rnnlab.ensemble.optimizers import STACKED_OPTIMIZERS
from rnnlab.ensemble.probe import why_not_stackable
from rnnlab.experiment.settings import resolve_accelerator
from rnnlab.kernels import load_kernels
from rnnlab.models import Transformer, TransformerSeq2Seq
from rnnlab.stackable import declared_stackable

_STACKED_SETTINGS = {
    "seed",
    "trainer.clip_norm",
    "trainer.patience",
    *(f"optimizer.{name}" for name in ("lr", "weight_decay", "betas", "eps", "momentum", "alpha")),
}
"""Settings in which members may differ, besides those that their classes declare."""

ONLY, UNLIKE = "it is the only one", "no other run has the same"
"""How reasons begin why a run trains alone that could be a member of some group."""

_IGNORED = {"output_dir"}
_FOREIGN = {"optimizer", "logger"}
"""Config nodes of other libraries' classes, which declare nothing; `_refusals` checks them."""

# How many times faster one update of a group is than updates of single runs, without the Trainer
# (64 sequences of `copy`, 40 steps, one thread): 64 members with the kernels, 32 without them:
#   hidden size   8         16        32        64        128
#   Elman         17   3.6            6.0  3.1       1.5  2.3  1.1
#   GRU           9.2  6.5            3.9  3.1       1.5  1.7  1.2
#   LSTM               2.0  4.8  1.2  3.6  1.1       0.7  1.5
#   Jordan             4.2            6.7  3.4                 2.2
#   AR-FFN             4.9            11                       3.5
# 8 members of these, which have no kernels, take .6 to .8 times as long as alone with 8 units, and
# as long with twice as many units as stand here.
_NO_KERNELS: Mapping[Any, int] = {
    CTRNN: 128,
    MRNN: 128,
    MinGRU: 64,
    NTM: 128,
    StackRNN: 128,
    Transformer: 32,
    TransformerSeq2Seq: 32,
}
_LARGEST: Mapping[Any, int] = {Elman: 256, GRU: 256, LSTM: 128, **_NO_KERNELS}
"""Cell -> the largest hidden size at which a group is faster on a CPU; other cells always are."""
_LARGEST_WITHOUT_KERNELS: Mapping[Any, int] = {
    Elman: 128,
    GRU: 128,
    LSTM: 32,
    **_NO_KERNELS,
}
_LARGEST_LAYERED: Mapping[Any, int] = {LSTM: 64}
"""The same of several layers or with dropout, where no kernel computes the whole pass: with 32, 64
and 128 units LSTMs of two layers are 1.6, 0.9 and 0.7 times as fast in a group of 16."""
_LARGEST_UNDECLARED = 128
"""The same of cells of other people, which have no kernel."""
_LARGEST_CARRIED: Mapping[Any, int] = {LSTM: 32}
"""The same where members carry their state (1.3, 1.0, 0.8 and 0.7 with 8, 32, 64 and 128)."""


@dataclass(frozen=True)
class Group:
    """Runs that train as one batched model, or one run that trains alone.

    Attributes:
        indices: positions of the runs in the list of configs.
        reason: why a run trains alone, or `None` for a group.
    """

    indices: list[int]
    reason: str | None


class _Candidate(NamedTuple):
    """A run that may be a member of a group.

    Attributes:
        settings: dotted key -> value.
        own: keys in which members of its group may differ.
        refusal: why it can't be a member of any group, or `None`.
        undeclared: key and class of a part of its model that declares nothing, or `None`.
    """

    settings: Mapping[str, Any]
    own: frozenset[str]
    refusal: str | None
    undeclared: str | None

    @property
    def shared(self) -> dict[str, Any]:
        """The settings that all members of its group share."""
        return {name: value for name, value in self.settings.items() if name not in self.own}


def find_groups(cfgs: Sequence[DictConfig]) -> list[Group]:
    """Divide runs into groups and runs that train alone, in the order of their first run."""
    runs = [_candidate(cfg) for cfg in cfgs]
    by_settings: dict[str, list[int]] = {}
    for n, run in enumerate(runs):
        if run.refusal is None:
            by_settings.setdefault(repr(run.shared), []).append(n)
    together = [indices for indices in by_settings.values() if len(indices) > 1]
    groups = []
    for indices in together:
        reason = _why_not_stackable([cfgs[n] for n in indices], runs[indices[0]].undeclared)
        split = [indices] if reason is None else [[n] for n in indices]
        groups += [Group(each, reason) for each in split]
    for n, run in enumerate(runs):
        if all(n not in group.indices for group in groups):
            others = [other for m, other in enumerate(runs) if m != n]
            groups.append(Group([n], run.refusal or _difference(run, others)))
    return sorted(groups, key=lambda group: group.indices)


def may_differ(cfg: DictConfig) -> frozenset[str]:
    """Return the dotted keys in which members of a group with such a config may differ."""
    return _candidate(cfg).own


def _candidate(cfg: DictConfig) -> _Candidate:
    tree = plain(cfg)
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
    undeclared = next(_undeclared(nodes), None)
    return _Candidate(settings, frozenset(_STACKED_SETTINGS | initial), refusal, undeclared)


def _undeclared(nodes: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield key and class of the parts of a model that don't declare how they train in a group."""
    for path, node in nodes.items():
        if path.partition(".")[0] == "model" and declared_stackable(target(node)) is None:
            yield f"{path}: {target(node).__name__}"


def _why_not_stackable(cfgs: Sequence[DictConfig], undeclared: str | None) -> str | None:
    """Return why runs with a part that declares nothing can't be a group; that is tried."""
    if undeclared is None:
        return None
    first, *others = cfgs
    other = next((cfg for cfg in others if cfg.seed != first.seed), others[0])
    reason = why_not_stackable([first, other])
    return None if reason is None else f"{undeclared} can't be stacked: {reason}"


def _nodes(path: str, tree: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each config node with a `_target_` and its dotted key, outer ones first."""
    if not isinstance(tree, Mapping) or path in _FOREIGN:
        return
    if "_target_" in tree:
        yield path, tree
    for name, inner in tree.items():
        yield from _nodes(f"{path}.{name}" if path else name, inner)


def _refusals(cfg: DictConfig, nodes: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield every reason why a run can't be a member of any group."""
    trainer = cfg.trainer
    on_gpu = resolve_accelerator(trainer.accelerator) != "cpu"
    if trainer.devices > 1 or trainer.strategy != "auto":
        yield "it trains on several devices, groups on one"
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
        yield "logger: its service takes runs one by one"
    if cfg.get("callbacks"):
        yield "callbacks look at runs one by one"
    if target(cfg.optimizer) not in STACKED_OPTIMIZERS:
        yield f"{target(cfg.optimizer).__name__} has no stacked form"
    for name in ("amsgrad", "centered", "maximize", "dampening"):
        if cfg.optimizer.get(name):
            yield f"optimizer.{name}={cfg.optimizer[name]} has no stacked form"
    carries = any(
        declared is not None and declared.carries
        for declared in (declared_stackable(target(node)) for node in nodes.values())
    )
    for path, node in nodes.items():
        kind = target(node)
        declared = declared_stackable(kind)
        if declared is None and path.partition(".")[0] == "model":
            size = node.get("hidden_size")
            if not on_gpu and isinstance(size, int) and size > _LARGEST_UNDECLARED:
                most = _LARGEST_UNDECLARED
                yield f"{kind.__name__} of hidden_size={size} is faster alone, above {most}"
        elif declared is None:
            yield f"{path}: {kind.__name__} doesn't declare how it trains in a group"
        elif reason := declared.alone(node):
            yield f"{path} {reason}"
        elif (
            not on_gpu
            and (largest := _largest(kind, nodes, carries))
            and node["hidden_size"] > largest
        ):
            size = f"{kind.__name__} of hidden_size={node['hidden_size']}"
            yield f"{size} is faster alone, above {largest}"


def _largest(kind: Any, nodes: Mapping[str, Mapping[str, Any]], carries: bool) -> int | None:
    """Return the largest hidden size at which a group with a cell is faster, if there is one."""
    tables = [_LARGEST if load_kernels() is not None else _LARGEST_WITHOUT_KERNELS]
    model = nodes["model"]
    if target(model).layout == "stream":
        layered = model.get("num_layers", 1) > 1 or model.get("dropout")
        tables += [_LARGEST_LAYERED] if layered else []
        tables += [_LARGEST_CARRIED] if carries else []
    return min((table[kind] for table in tables if kind in table), default=None)


def _difference(run: _Candidate, others: Sequence[_Candidate]) -> str:
    """Say in which settings a run differs from the most similar one."""
    if not others:
        return ONLY
    own = run.shared
    names = min((_differing(own, other.shared) for other in others), key=len)
    if not names:
        return "those like it can't be grouped"
    return f"{UNLIKE} {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"


def _differing(own: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the keys in which two mappings differ."""
    return [name for name in dict.fromkeys([*own, *other]) if own.get(name) != other.get(name)]
