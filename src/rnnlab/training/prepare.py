"""Builds what a training needs from a config, and checks it before anything is written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import Parameter, signature, unwrap
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from omegaconf import DictConfig
from torch.optim import Optimizer

from rnnlab.cells import Cell, Stack
from rnnlab.cells.base import kernel_on
from rnnlab.config.build import build
from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.experiment.reach import check_taps
from rnnlab.experiment.schedulers import MakeScheduler
from rnnlab.experiment.settings import TrainerSettings
from rnnlab.files import checkpoint
from rnnlab.inference.evaluate import evaluate
from rnnlab.kernels.functions import why_none_on
from rnnlab.process.arithmetic import arithmetic
from rnnlab.process.memory import memory_errors_named
from rnnlab.process.output import note
from rnnlab.runs.loggers import make_external_logger
from rnnlab.tasks.batch_check import checked
from rnnlab.training.resume_point import START, ResumePoint
from rnnlab.training.transfer import load_initial_weights

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback
    from lightning.pytorch.loggers.logger import Logger


class Prepared(NamedTuple):
    """The parts of a training.

    Attributes:
        experiment: model, task and data.
        make_optimizer: makes the optimizer of some parameters.
        make_scheduler: makes the learning rate scheduler of an optimizer.
        external_logger: the logger of `logger=NAME`, or `None`.
        callbacks: those of the config.
    """

    experiment: Experiment
    make_optimizer: Callable[[Any], Optimizer]
    make_scheduler: MakeScheduler
    external_logger: "Logger | None"
    callbacks: "list[Callback]"


def prepare(cfg: DictConfig, point: ResumePoint = START) -> Prepared:
    """Build the parts of a training, and check that they work together.

    Args:
        cfg: the whole config.
        point: where training resumes; `init_from` counts at the start alone.

    Raises:
        ConfigError: a setting is invalid.
    """
    experiment = Experiment.assemble(cfg)
    experiment.training.check(cfg.data.batch_size)
    make_optimizer = build("optimizer", cfg.optimizer)
    make_scheduler = build("scheduler", cfg.scheduler)
    with arithmetic(cfg):
        _try_data(experiment)
        check_metrics(experiment)
    with without_compiler():
        example = make_optimizer([torch.nn.Parameter(torch.zeros(1))])
        _check_optimizer(example, experiment.training)
        make_scheduler(example, experiment.training.max_steps, experiment.mode)
    if cfg.init_from is not None and point.file is None:
        load_initial_weights(experiment, cfg.init_from)
    return Prepared(
        experiment, make_optimizer, make_scheduler, make_external_logger(cfg), _callbacks(cfg)
    )


def _callbacks(cfg: DictConfig) -> "list[Callback]":
    """Build the callbacks of the config, whose states checkpoints must be able to hold."""
    nodes = cfg.get("callbacks") or {}
    if not nodes:
        return []
    from rnnlab.training.callbacks import Telemetry, Watch  # with Lightning, which takes a second

    callbacks: list[Callback] = []
    state_keys = {Telemetry.__qualname__, Watch.__qualname__}
    for name, node in nodes.items():
        callback: Callback = build(f"callbacks.{name}", node)
        state = callback.state_dict()
        if state and callback.state_key in state_keys:
            raise ConfigError(
                f"callbacks.{name}: another callback keeps its state as {callback.state_key!r}: "
                "override state_key to tell them apart"
            )
        if not checkpoint.can_hold(state):
            raise ConfigError(f"callbacks.{name}: state_dict must give {checkpoint.HOLDS}")
        state_keys.add(callback.state_key)
        callbacks.append(callback)
    return callbacks


def _check_optimizer(optimizer: Optimizer, training: TrainerSettings) -> None:
    """Refuse settings that an optimizer with a closure, such as L-BFGS, can't be used with."""
    if signature(type(optimizer).step).parameters["closure"].default is not Parameter.empty:
        return
    name = f"{type(optimizer).__name__}, which computes the loss of an update several times"
    if training.accumulate > 1:
        raise ConfigError(
            f"trainer.accumulate must be 1 with {name}, got {training.accumulate}: take a larger "
            "data.batch_size"
        )
    if training.precision == "16-mixed":
        raise ConfigError(f"trainer.precision=16-mixed doesn't go with {name}: take bf16-mixed")


@contextmanager
def without_compiler() -> Iterator[None]:
    """Make optimizers without importing torch's compiler, which takes more than a second.

    torch imports it to exclude some methods of optimizers from compilation.
    """
    kept = {name: getattr(Optimizer, name) for name in ("add_param_group", "state_dict")}
    for name, method in kept.items():
        setattr(Optimizer, name, unwrap(method))
    try:
        yield
    finally:
        for name, method in kept.items():
            setattr(Optimizer, name, method)


def print_warnings(experiment: Experiment) -> None:
    """Print the task's warnings about its data."""
    for warning in experiment.task.warnings():
        note(f"warning: {warning}")


def print_advice(experiment: Experiment) -> None:
    """Print a note where another precision would train faster."""
    training = experiment.training
    if (
        (training.accelerator, training.precision) == ("cpu", "32-true")
        and multiplies_bfloat16()
        and any(map(_is_large, experiment.model.parameters()))
    ):
        note(
            "note: this processor has instructions for bfloat16: trainer.precision=bf16-mixed may "
            "save a third of the time of a net this large, at nearly the same loss"
        )


def _is_large(parameter: torch.nn.Parameter) -> bool:
    """Whether a weight matrix is of a size at which bfloat16 is faster than our float32 kernels.

    They are overtaken by LSTMs of 256 units, and by Elman networks and GRUs of 512.
    """
    return parameter.dim() == 2 and min(parameter.shape) >= 256 and parameter.numel() >= 2**18


def multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for products of bfloat16 (AVX512-BF16 or AMX)."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # of torch 2.6 and later
    return any(bool(getattr(torch.cpu, name, bool)()) for name in names)


def facts(experiment: Experiment, device: str) -> dict[str, Any]:
    """Return the fields of `run.json` that describe this training."""
    return {
        "seed": experiment.cfg.seed,
        "threads": experiment.cfg.threads,
        "flush_denormals": bool(experiment.cfg.get("flush_denormals", False)),
        "device": device,
        "determinism": experiment.training.determinism,
        "fingerprint": experiment.task.fingerprint(),
        "parameters": experiment.num_parameters,
        "kernels": _kernels(experiment, device),
    }


def _kernels(experiment: Experiment, device: str) -> str:
    """Say which cells the kernels compute, and why others unroll by torch."""
    precision, kind = experiment.training.precision, device.partition(":")[0]
    if precision != "32-true":
        return f"none, with precision {precision}"
    if (why := why_none_on(kind)) is not None:
        return f"none: {why}"
    cells = {cell for cell in experiment.model.modules() if isinstance(cell, Cell)}
    others = {
        type(cell).__name__
        for cell in cells
        if not isinstance(cell, Stack) and kernel_on(cell, kind) is None
    }
    return f"all but {', '.join(sorted(others))}" if others else "all"


def _try_data(experiment: Experiment) -> None:
    """Sample training batches of the shortest and longest length, which raises if one can't be."""
    curriculum = experiment.data.curriculum
    longest = None if curriculum is None else max(curriculum.start, curriculum.end)
    with memory_errors_named("data and task"):
        experiment.data.train(0)
        experiment.task.sample("train", 0, experiment.cfg.data.batch_size, length=longest)
        if curriculum is not None:
            experiment.task.sample("train", 0, 1, length=min(curriculum.start, curriculum.end))
    check_taps(experiment.model, experiment.task, longest)


def check_metrics(experiment: Experiment) -> list[str]:
    """Return the names of the metrics that validation logs, found by scoring a small batch.

    Raises:
        ConfigError: the monitored metric is not one of them, the task doesn't declare whether
            higher values of a metric are better, or its scorer can't be gathered from several
            devices.
    """
    task = experiment.task
    size = min(2, experiment.data.held_out("val")[0][1])
    batch = checked(task, task.sample("val", 0, size))
    scores = evaluate(experiment.model, task, [batch]).compute()
    names = [f"val/{name}" for name in scores]
    for name in names:
        task.mode(name)
    if experiment.training.devices > 1:
        task.scorer().parts()
    if experiment.cfg.monitor not in names:
        raise ConfigError(
            f"monitor must be one of {', '.join(names)}, got {experiment.cfg.monitor}"
        )
    return names
