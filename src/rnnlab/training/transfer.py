"""`init_from=DIR`: initial weights from an earlier run, moved to a new vocabulary."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from rnnlab.config.build import build
from rnnlab.config.compose import flat
from rnnlab.config.overrides import format_value
from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.files import checkpoint
from rnnlab.models.base import Model
from rnnlab.process.global_state import global_state_restored
from rnnlab.process.output import note
from rnnlab.runs.run import Run
from rnnlab.spec import Batch, TaskSpec, Tokens
from rnnlab.spelling import brief, printable

_MAX_SHOWN = 10  # new symbols in the message
_MAX_TRIES = 2**6  # orders of dimensions whose shape leaves the order open

Weights = dict[str, Tensor]


def load_initial_weights(experiment: Experiment, path: str) -> None:
    """Load the best weights of another run into a model.

    If the vocabularies differ, the weights of each symbol go to the same symbol, and symbols that
    the other run didn't have keep their random initial weights.

    Args:
        experiment: the experiment with the model.
        path: the directory of the other run.

    Raises:
        ConfigError: it is not a run, or its weights don't fit; names the settings that differ.
    """
    run = Run.load(path, "init_from")
    try:
        weights = checkpoint.weights(run.file(f"checkpoints/{checkpoint.BEST}"))
    except ConfigError as error:
        raise ConfigError(f"init_from: {error}") from error
    fresh = experiment.model.state_dict()
    old, new = run.symbols, tuple(experiment.task.symbols)
    if old and new and old != new:
        weights = _moved(weights, fresh, old, new, symbol_axes(experiment))
        _print_transfer(path, old, new)
    elif new and not old and run.card.get("fingerprint") != experiment.task.fingerprint():
        raise ConfigError(
            f"init_from: {path} doesn't say what its symbols stand for, and this task has others"
        )
    if _shapes(weights) != _shapes(fresh):
        raise ConfigError(_misfit(path, run.config, experiment))
    experiment.model.load_state_dict(weights)


def _misfit(path: str, old: DictConfig, experiment: Experiment) -> str:
    """Say which choices of the model, or else which settings that change shapes, differ."""
    new = experiment.cfg
    differing = _differing(_model_choices(old), _model_choices(new))
    if not differing:
        settings = (
            flat({part: OmegaConf.to_container(cfg[part]) for part in ("model", "task")})
            for cfg in (old, new)
        )
        every = _differing(*settings)
        differing = {key: pair for key, pair in every.items() if _matters(experiment, key, pair[0])}
    return (
        "\n".join(
            f"init_from: {key}={_shown(ours)} doesn't fit the weights of {path}, which has "
            f"{_shown(theirs)}"
            for key, (theirs, ours) in differing.items()
        )
        or f"init_from: the settings don't fit the weights of {path}"
    )


def _model_choices(cfg: DictConfig) -> dict[str, Any]:
    return {group: option for group, option in cfg.choices.items() if group.startswith("model")}


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the old and new value of each key whose values differ."""
    keys = dict.fromkeys([*old, *new])
    return {key: (old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)}


def _matters(experiment: Experiment, key: str, value: Any) -> bool:
    """Whether another value of one setting changes the shapes of the weights."""
    cfg = experiment.cfg.copy()
    OmegaConf.update(cfg, key, value, force_add=True)
    try:
        other = Experiment.assemble(cfg)
    except ConfigError:  # it goes with other settings alone
        return True
    return _shapes(other.model.state_dict()) != _shapes(experiment.model.state_dict())


def _shown(value: Any) -> str:
    return brief(printable(value if isinstance(value, str) else format_value(value)), 60)


def _print_transfer(path: str, old: Sequence[str], new: Sequence[str]) -> None:
    known = {*old}
    unknown = [symbol for symbol in new if symbol not in known]
    shown = ", ".join(printable(repr(symbol)) for symbol in unknown[:_MAX_SHOWN])
    more = ", ..." if len(unknown) > _MAX_SHOWN else ""
    anew = f"; {len(unknown)} begin anew: {shown}{more}" if unknown else ""
    note(
        f"init_from: {len(new) - len(unknown)} of {len(new)} symbols begin with what {path} learnt "
        f"of them{anew}"
    )


class Axis(NamedTuple):
    """The indices of symbols along a dimension of a tensor.

    The dimension consists of `copies` equal blocks (an LSTM's gates, say), each with V indices,
    one for each symbol, and `rest` others.

    Attributes:
        copies: number of blocks.
        rest: number of indices in a block that belong to no symbol.
        last: whether the symbols come after the others.
    """

    copies: int
    rest: int
    last: bool = False

    def size(self, vocab_size: int) -> int:
        """Size of the dimension."""
        return self.copies * (vocab_size + self.rest)

    def indices(self, ids: Tensor, vocab_size: int) -> Tensor:
        """Return the indices of some symbols in every block, and all that belong to no symbol."""
        first_symbol, first_other = (self.rest, 0) if self.last else (0, vocab_size)
        one = torch.cat([first_symbol + ids, first_other + torch.arange(self.rest)])
        starts = torch.arange(self.copies)[:, None] * (vocab_size + self.rest)
        return (starts + one).flatten()


Axes = Mapping[tuple[str, int], Axis]
"""(tensor, dimension) -> its symbols; other dimensions have none."""


def symbol_axes(experiment: Experiment) -> Axes:
    """Find the dimensions of a model's weights that are indexed by symbols.

    They are those that grow with the vocabulary. Where the size leaves the order of the indices
    open, all orders are tried: with the right one, permuting the symbols in the weights and in a
    batch permutes the outputs.

    Raises:
        ConfigError: no order does so.
    """
    task, cfg = experiment.task, experiment.cfg
    with global_state_restored():
        models = [build("model", cfg.model, _resized(task.spec, more)) for more in (0, 1)]
        batch = task.sample("train", 0, 2)
        usual, wider = (_shapes(model.state_dict()) for model in models)
        found = dict(_growing(usual, wider, _vocab_size(task.spec)))
        for axes in _orders(found):
            if _is_equivariant(models[0], build("model", cfg.model, task.spec), batch, axes):
                return axes
    raise ConfigError(
        "init_from: the model's weights can't be moved to other symbols, as it is not known which "
        "of them belong to which symbol"
    )


def _vocab_size(spec: TaskSpec) -> int:
    sizes = {port.size for port in _tokens(spec).values()}
    if len(sizes) != 1:
        raise ConfigError("init_from: a task of one vocabulary can take over symbols, not another")
    return sizes.pop()


def _tokens(spec: TaskSpec) -> dict[str, Tokens]:
    ports = {name: getattr(spec, name) for name in ("input", "target", "source")}
    return {name: port for name, port in ports.items() if isinstance(port, Tokens)}


def _resized(spec: TaskSpec, more: int) -> TaskSpec:
    ports: Any = {name: Tokens(port.size + more) for name, port in _tokens(spec).items()}
    return replace(spec, **ports)


def _growing(
    sizes: Mapping[str, torch.Size], wider: Mapping[str, torch.Size], vocab_size: int
) -> Iterator[tuple[tuple[str, int], Axis]]:
    for name, shape in sizes.items():
        for dim, (size, grown) in enumerate(zip(shape, wider[name], strict=True)):
            copies = grown - size
            if copies:
                rest, left = divmod(size - copies * vocab_size, copies)
                if left:
                    raise ConfigError(f"init_from: {name} has no layout by symbols")
                yield (name, dim), Axis(copies, rest)


def _orders(found: Axes) -> Iterator[Axes]:
    unclear = [dim for dim, axis in found.items() if axis.rest]
    if 2 ** len(unclear) > _MAX_TRIES:
        return
    for last in product((False, True), repeat=len(unclear)):
        ordered = zip(unclear, last, strict=True)
        yield {**found, **{dim: found[dim]._replace(last=at_end) for dim, at_end in ordered}}


@torch.no_grad()
def _is_equivariant(model: Model, other: Model, batch: Batch, axes: Axes) -> bool:
    """Whether permuting symbols in weights and batch along these axes permutes the outputs."""
    count = _vocab_size(model.spec)
    new_id = torch.arange(count).roll(1)  # of symbol 0, 1, ...
    symbols = [str(n) for n in range(count)]
    renamed = [symbols[i] for i in new_id.argsort().tolist()]
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.normal_(std=max(tensor.shape[-1:] or [1]) ** -0.5)  # so that none is chaotic
    other.load_state_dict(_moved(model.state_dict(), other.state_dict(), symbols, renamed, axes))
    ports = {
        name: new_id[getattr(batch, name)]
        for name in _tokens(model.spec)
        if getattr(batch, name) is not None
    }
    answers = model.double().eval()(batch)[0]
    others = other.double().eval()(batch._replace(**ports))[0]
    # Some cells count in float32.
    return torch.allclose(answers, others[..., new_id], rtol=0, atol=1e-4)


def _moved(
    old: Weights, fresh: Weights, symbols: Sequence[str], wanted: Sequence[str], axes: Axes
) -> Weights:
    """Return weights for a new vocabulary: old ones of known symbols, fresh ones of the others.

    Args:
        old: the weights of the old vocabulary; one whose shape doesn't fit is returned unchanged.
        fresh: initial weights of the new vocabulary.
        symbols: the old vocabulary.
        wanted: the new vocabulary.
        axes: the dimensions indexed by symbols.
    """
    ids = {symbol: n for n, symbol in enumerate(symbols)}
    both = [(ids[symbol], n) for n, symbol in enumerate(wanted) if symbol in ids]
    theirs, ours = torch.tensor(both, dtype=torch.int64).reshape(-1, 2).T
    moved = dict(old)
    for name in {name for name, _ in axes if name in old}:
        shape = fresh[name].shape
        if old[name].shape == _resized_shape(name, shape, axes, len(symbols)):
            source = _indices(name, shape, axes, theirs, len(symbols))
            target = _indices(name, shape, axes, ours, len(wanted))
            moved[name] = fresh[name].clone()
            moved[name][target] = old[name][source].to(moved[name].dtype)
    return moved


def _resized_shape(name: str, shape: torch.Size, axes: Axes, vocab_size: int) -> torch.Size:
    """Return the shape of a tensor for another size of the vocabulary."""
    return torch.Size(
        axes[name, dim].size(vocab_size) if (name, dim) in axes else size
        for dim, size in enumerate(shape)
    )


def _indices(
    name: str, shape: torch.Size, axes: Axes, ids: Tensor, vocab_size: int
) -> tuple[Tensor, ...]:
    """Return the index arrays of some symbols, and of what belongs to no symbol, in a tensor."""
    along = [
        axes[name, dim].indices(ids, vocab_size) if (name, dim) in axes else torch.arange(size)
        for dim, size in enumerate(shape)
    ]
    return torch.meshgrid(*along, indexing="ij")


def _shapes(weights: Weights) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in weights.items()}
