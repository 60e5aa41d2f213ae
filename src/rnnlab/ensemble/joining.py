"""Which runs can train as one batched model, and why others can't."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rnnlab.config import target
from rnnlab.ensemble.optimizers import STACKED
from rnnlab.kernels import library
from rnnlab.loggers import flat

_STACKS = {
    "seed",
    "trainer.clip_norm",
    "trainer.patience",
    *(f"optimizer.{name}" for name in ("lr", "weight_decay", "betas", "eps", "momentum", "alpha")),
}
"""Settings that members may have each its own of."""

_BEGINNINGS = {
    "input_init",
    "recurrent_init",
    "recurrent_scale",
    "input_bias",
    "forget_bias",
    "candidate_bias",
    "output_bias",
    "update_bias",
    "chrono_steps",
}
"""Settings of a cell that only say how its weights begin: members may differ in these too."""

_IGNORED = {"output_dir"}

# An update of 64 runs one by one, against one of their group (64 sequences of `copy`, 40 steps, one
# thread; Lightning's own milliseconds a run are not counted), with the kernels and without:
#   hidden size         8         16         32         64        128       256
#   Elman        29.5  9.1            10.6  5.1   4.8  2.7   2.3  1.6  1.2
#   GRU          39.0  6.7            10.0  3.5   4.5  1.9   2.2  1.1  1.3
#   LSTM         14.9  2.6   7.1  2.1  3.9  1.4   2.2  0.9   1.4       0.9
#   Jordan       51.9  7.4            25.4  6.1        4.4   9.2  3.3
#   AR-FFN       21.4                 12.6                   6.5
_LARGEST: Mapping[str, int] = {"Elman": 256, "GRU": 256, "LSTM": 128}
"""Cell -> the largest hidden size at which a group is faster; others are at all that were tried."""
_LARGEST_WITHOUT_KERNELS: Mapping[str, int] = {"Elman": 128, "GRU": 128, "LSTM": 32}


@dataclass(frozen=True)
class Group:
    """Runs that belong together.

    Attributes:
        indices: their places in the list that was asked about.
        reason: why a run is alone, or `None` for a group.
    """

    indices: list[int]
    reason: str | None


def joinable(cfgs: Sequence[DictConfig]) -> list[Group]:
    """Sort runs into groups that can train as one, and runs that go alone, in the given order."""
    settings = [_settings(cfg) for cfg in cfgs]
    refusals = [_refusal(cfg) for cfg in cfgs]
    found: dict[str, list[int]] = {}
    for n, refusal in enumerate(refusals):
        if refusal is None:
            found.setdefault(repr(_fixed(settings[n])), []).append(n)
    groups = [Group(alike, None) for alike in found.values() if len(alike) > 1]
    for n in range(len(cfgs)):
        if all(n not in group.indices for group in groups):
            others = [s for m, s in enumerate(settings) if m != n]
            groups.append(Group([n], refusals[n] or _difference(settings[n], others)))
    return sorted(groups, key=lambda group: group.indices)


def _settings(cfg: DictConfig) -> dict[str, Any]:
    """Give every setting by its dotted key."""
    leaves = flat(OmegaConf.to_container(cfg, resolve=True))
    return {
        name: value
        for name, value in leaves.items()
        if name not in _IGNORED and not name.startswith("choices")
    }


def _fixed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what all members must share."""
    return {name: value for name, value in settings.items() if not _stacks(name)}


def _stacks(name: str) -> bool:
    return name in _STACKS or (name.startswith("model.") and name.rpartition(".")[2] in _BEGINNINGS)


def _refusal(cfg: DictConfig) -> str | None:
    """Say why a run can train in no group."""
    return next(_refusals(cfg), None)


def _refusals(cfg: DictConfig) -> Iterator[str]:
    trainer = cfg.trainer
    if trainer.accelerator != "cpu" or trainer.devices > 1 or trainer.strategy != "auto":
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
    if target(cfg.optimizer) not in STACKED:
        yield f"{target(cfg.optimizer).__name__} has no stacked form"
    for name in ("amsgrad", "centered", "maximize", "dampening"):
        if cfg.optimizer.get(name):
            yield f"optimizer.{name}={cfg.optimizer[name]} has no stacked form"
    if target(cfg.task).__name__ == "NextChar":
        yield "task=next_char carries its state from batch to batch"
    yield from _refusals_of_model(_settings(cfg))


def _refusals_of_model(settings: Mapping[str, Any]) -> Iterator[str]:
    for name, value in settings.items():
        if not name.startswith("model."):
            continue
        if name.endswith(".dropout") and value:
            yield f"{name}={value} draws random numbers, one stream a run"
        if name == "model.teacher_forcing._target_" and not (
            value.endswith(".Constant") and settings["model.teacher_forcing.value"] == 1
        ):
            yield "model.teacher_forcing draws random numbers, one stream a run"
        if name.endswith("._target_") and value.rpartition(".")[2] in _LARGEST:
            cell = value.rpartition(".")[2]
            size = settings[name.replace("_target_", "hidden_size")]
            largest = _LARGEST_WITHOUT_KERNELS[cell]
            if size > largest and library() is not None:
                largest = _LARGEST[cell]
            if size > largest:
                yield f"{cell} of hidden_size={size} is faster alone, above {largest}"


def _difference(own: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> str:
    """Name the settings in which a run differs from the one most like it."""
    if not others:
        return "it is the only one"
    names = min(
        (
            [
                name
                for name in dict.fromkeys([*own, *other])
                if not _stacks(name) and own.get(name) != other.get(name)
            ]
            for other in others
        ),
        key=len,
    )
    if not names:
        return "those like it can't be grouped"
    return f"no other run has the same {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
