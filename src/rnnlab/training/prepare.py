"""All that trains, built from a config; what can't be is refused before anything is written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import Parameter, signature, unwrap
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from omegaconf import DictConfig
from torch.optim import Optimizer

from rnnlab.config.build import build
from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.experiment.reach import check_taps
from rnnlab.experiment.schedulers import MakeScheduler
from rnnlab.experiment.settings import Training
from rnnlab.inference.evaluate import evaluate
from rnnlab.process.borrowed import threads
from rnnlab.process.memory import fitting
from rnnlab.process.output import note
from rnnlab.runs.loggers import service
from rnnlab.training import resume as resuming
from rnnlab.training.transfer import take_weights

if TYPE_CHECKING:
    from lightning.pytorch.loggers.logger import Logger


class Prepared(NamedTuple):
    """What trains.

    Attributes:
        experiment: model, task and data.
        make_optimizer: of parameters.
        make_scheduler: of the optimizer's rate.
        service: what is told of scalars beside the run's own files.
    """

    experiment: Experiment
    make_optimizer: Callable[[Any], Optimizer]
    make_scheduler: MakeScheduler
    service: "Logger | None"


def prepare(cfg: DictConfig, at: resuming.Point = resuming.BEGINNING) -> Prepared:
    """Build all that trains, and refuse what can't be.

    Raises:
        ConfigError: something can't.
    """
    experiment = Experiment.assemble(cfg)
    experiment.training.check(cfg.data.batch_size)
    make_optimizer = build("optimizer", cfg.optimizer)
    make_scheduler = build("scheduler", cfg.scheduler)
    with threads(cfg.threads):
        _try_data(experiment)
        check_metrics(experiment)
    with without_compiler():  # refuses bad settings now
        trial = make_optimizer([torch.nn.Parameter(torch.zeros(1))])
        _check_optimizer(trial, experiment.training)
        make_scheduler(trial, experiment.training.max_steps, experiment.mode)
    if cfg.init_from is not None and at.file is None:
        take_weights(experiment, cfg.init_from)
    return Prepared(experiment, make_optimizer, make_scheduler, service(cfg))


def _check_optimizer(optimizer: Optimizer, training: Training) -> None:
    """Refuse what an optimizer can't do that computes the loss several times an update."""
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
    """Let optimizers be made that only tell their settings.

    torch keeps its compiler off some methods of theirs, and loads it for that, which takes a
    second and more.
    """
    kept = {name: getattr(Optimizer, name) for name in ("add_param_group", "state_dict")}
    for name, method in kept.items():
        setattr(Optimizer, name, unwrap(method))
    try:
        yield
    finally:
        for name, method in kept.items():
            setattr(Optimizer, name, method)


def warn(experiment: Experiment) -> None:
    """Print what a person should know of a run's data."""
    for warning in experiment.task.warnings():
        note(f"warning: {warning}")


def facts(experiment: Experiment, device: str) -> dict[str, Any]:
    """Give what the run card says of this training."""
    return {
        "seed": experiment.cfg.seed,
        "threads": experiment.cfg.threads,
        "device": device,
        "determinism": experiment.training.determinism,
        "fingerprint": experiment.task.fingerprint(),
        "parameters": experiment.num_parameters,
    }


def _try_data(experiment: Experiment) -> None:
    """Refuse batches that can't be made, at any length that training comes to."""
    curriculum = experiment.data.curriculum
    longest = None if curriculum is None else max(curriculum.start, curriculum.end)
    with fitting("data and task"):
        experiment.data.train(0)
        experiment.task.sample("train", 0, experiment.cfg.data.batch_size, length=longest)
        if curriculum is not None:
            experiment.task.sample("train", 0, 1, length=min(curriculum.start, curriculum.end))
    check_taps(experiment.model, experiment.task, longest)


def check_metrics(experiment: Experiment) -> list[str]:
    """Name what validation will log, as a tiny batch tells.

    Raises:
        ConfigError: the monitored metric is not among it, the task doesn't say which values of a
            metric are better, or what its scorer adds up can't be gathered from several devices.
    """
    task = experiment.task
    size = min(2, experiment.data.held_out("val")[0][1])
    scores = evaluate(experiment.model, task, [task.sample("val", 0, size)]).compute()
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
