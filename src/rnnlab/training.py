"""Training, read top to bottom: assemble, refuse what can't be, fit, choose the best, write."""

import contextlib
import logging
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from types import MappingProxyType
from typing import Any

import lightning.pytorch as L
import torch
from lightning.pytorch.loggers.logger import Logger
from omegaconf import DictConfig

from rnnlab import checkpoint, resuming
from rnnlab.callbacks import (
    Checkpoints,
    Finite,
    Judge,
    Progress,
    Pruned,
    Pruning,
    Showcase,
    Signals,
    Stopped,
    Telemetry,
    Watch,
)
from rnnlab.compose import anchored
from rnnlab.config import build
from rnnlab.csv_log import CSVLog
from rnnlab.data import TrainLoader
from rnnlab.errors import (
    INTERRUPTED,
    TERMINATED,
    ConfigError,
    Diverged,
    Interrupted,
    RunLost,
)
from rnnlab.evaluation import evaluate
from rnnlab.experiment import Experiment
from rnnlab.loggers import Events, close, flat_settings, service
from rnnlab.memory import fitting
from rnnlab.models.reach import check_taps
from rnnlab.module import SequenceModule
from rnnlab.outcome import final_scores, write_outcome
from rnnlab.randomness import seed_globals
from rnnlab.rank import is_helper
from rnnlab.run import Run
from rnnlab.timings import timings


def train(
    cfg: DictConfig,
    place: Path | None = None,
    words: Mapping[str, str] = MappingProxyType({}),
    judge: Judge | None = None,
) -> Run:
    """Run a whole experiment, and give its directory.

    Args:
        cfg: the whole config.
        place: the directory, if it is not to be named by task, model and time.
        words: what was said of it on the command line, for the run card.
        judge: asked after each validation whether to stop; such a run ends as `pruned`.

    Raises:
        ConfigError: before anything is written.
        Interrupted: it was told to stop; the run can go on later.
        Diverged: the loss or its gradient is no longer finite.
        RunLost: the run directory can't be written any more.
    """
    cfg = anchored(cfg)
    experiment, module, extra = prepare(cfg)
    run = Run.create(cfg, place, words)
    with run.locked():
        _train(run, experiment, module, extra, resuming.BEGINNING, judge)
    return run


def resume(run: Run, words: list[str], judge: Judge | None = None) -> Run:
    """Go on with a run where its last checkpoint is, as if it had never stopped.

    A finished run goes on if its budget is larger now; else nothing is done.

    Args:
        run: what to go on with.
        words: `key=value` for what may be different: budgets above all.
        judge: as for `train`.

    Raises:
        ConfigError: the run can't go on so; nothing was changed.
        Interrupted: as for `train`, and so are the others.
    """
    with run.locked():
        cfg = anchored(resuming.settings(run, words))
        at = resuming.point(run)
        resuming.check_changes(cfg, at)
        if cfg == run.config and is_finished(run):
            return run
        experiment, module, extra = prepare(cfg, at)
        run.check_fingerprint(experiment.task)
        total = experiment.training.total_steps(cfg.data.batch_size)
        if total < at.step:
            raise ConfigError(
                f"trainer.max_steps must be {at.step} or more, the updates done, got {total}"
            )
        run.reopen(cfg)
        _train(run, experiment, module, extra, at, judge)
    return Run(run.path)  # not with what was read of it before


def is_finished(run: Run) -> bool:
    """Tell whether a run came to its end."""
    return run.file("run.json").is_file() and run.card.get("status") == "finished"


def prepare(
    cfg: DictConfig, at: resuming.Point = resuming.BEGINNING
) -> tuple[Experiment, SequenceModule, Logger | None]:
    """Build all that trains, and refuse what can't be."""
    experiment = Experiment.assemble(cfg)
    experiment.training.check(cfg.data.batch_size)
    module = SequenceModule(
        experiment.model,
        experiment.task,
        make_optimizer=build("optimizer", cfg.optimizer),
        make_scheduler=build("scheduler", cfg.scheduler),
        monitor=cfg.monitor,
        mode=cfg.mode,
    )
    trial = module.make_optimizer([torch.nn.Parameter(torch.zeros(1))])  # refuses bad settings now
    module.make_scheduler(trial, experiment.training.max_steps, cfg.mode)
    _try_data(experiment)
    _check_monitor(experiment)
    if cfg.init_from is not None and at.file is None:
        _take_weights(experiment, cfg.init_from)
    return experiment, module, service(cfg)


def _train(
    run: Run,
    experiment: Experiment,
    module: SequenceModule,
    extra: Logger | None,
    at: resuming.Point,
    judge: Judge | None,
) -> None:
    for name in ("lightning.pytorch", "lightning.fabric"):  # they say what nobody asked
        logging.getLogger(name).setLevel(logging.WARNING)
    cfg, began = experiment.cfg, time.perf_counter()
    signals, finite = Signals(), Finite(experiment.training.log_every)
    checkpoints = Checkpoints(run.path / "checkpoints", cfg, experiment.training, finite, signals)
    loggers: list[Logger] = [extra] if extra else []
    with _written_down(run, checkpoints, signals, loggers):
        loggers += [Events(run.path, at.step), CSVLog(run.file("metrics.csv"), at.step)]
        callbacks = [finite, Telemetry(experiment.training), Progress(cfg.monitor)]
        if cfg.watch != "none":
            callbacks += [Showcase(), Watch(cfg.watch_every, full=cfg.watch == "full")]
        pruning = [Pruning(judge, run.path.name)] if judge else []
        trainer = experiment.training.build(
            cfg.data.batch_size, [*callbacks, checkpoints, signals, *pruning], loggers
        )
        if trainer.is_global_zero:
            run.begin(at.step, facts(experiment, str(trainer.strategy.root_device)))
            if extra:
                extra.log_hyperparams(flat_settings(cfg))
        seed_globals(cfg.seed, "training", trainer.global_rank)
        _fit(trainer, module, experiment, at)
        if pruning and pruning[0].pruned:
            raise Pruned
        if trainer.is_global_zero:
            experiment.load_weights(run.file(f"checkpoints/{checkpoint.BEST}"))
            scores = final_scores(experiment)
            write_outcome(run, experiment, scores, trainer.global_step, trainer.loggers)
            if experiment.training.profile:
                durations = trainer.profiler.recorded_durations  # type: ignore[attr-defined]
                lines = timings(durations, time.perf_counter() - began)
                run.file("profile.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _fit(
    trainer: L.Trainer, module: SequenceModule, experiment: Experiment, at: resuming.Point
) -> None:
    training = experiment.training
    rank, world_size = trainer.global_rank, trainer.world_size
    loader = TrainLoader(
        experiment.data,
        start=at.step * training.accumulate,
        every=training.val_every * training.accumulate,
        total=trainer.max_steps * training.accumulate,
        rank=rank,
        world_size=world_size,
        repeat=training.overfit,
    )
    held_out = experiment.batches("val", rank=rank, world_size=world_size)
    with warnings.catch_warnings():
        # Lightning 2.6 asks torch 2.13's pytree something in a way that is on its way out.
        warnings.filterwarnings("ignore", ".*LeafSpec.*is deprecated")
        # A run that was stopped after its last update has only its scores to write.
        warnings.filterwarnings("ignore", "Total length of .* across ranks is zero")
        try:
            trainer.fit(module, loader, held_out, ckpt_path=at.file)
        except Exception as error:
            if at.file is None or module.started:
                raise
            # Its checksum is right, so somebody made it so: any error may come of that.
            raise ConfigError(f"{at.file} holds something else: {error}") from error


@contextmanager
def _written_down(
    run: Run, checkpoints: Checkpoints, signals: Signals, loggers: list[Logger]
) -> Iterator[None]:
    """Say how training ended: in the run card, and in the error."""
    status, reason, excepthook = "failed", "", threading.excepthook
    # TensorBoard's thread gives us what went wrong, and need not print it too.
    threading.excepthook = lambda it: None if issubclass(it.exc_type, OSError) else excepthook(it)
    try:
        yield
        status = "finished"
    except Pruned:
        status = "pruned"
    except Diverged as error:
        status, reason = "diverged", str(error)
        raise Diverged(f"{error}; {_saved(checkpoints)} in {run.path}") from error
    except (Stopped, KeyboardInterrupt, SystemExit) as error:
        status = "interrupted"
        terminated = TERMINATED in (getattr(error, "code", None), 128 + (signals.received or 0))
        raise Interrupted(
            f"{'terminated' if terminated else 'interrupted'}, {_how_to_go_on(run, checkpoints)}",
            TERMINATED if terminated else INTERRUPTED,
        ) from error
    except OSError as error:
        if not run.path.is_dir():
            raise RunLost(f"the run directory {run.path} is gone: training stopped") from error
        raise RunLost(f"{error}: training stopped, {_how_to_go_on(run, checkpoints)}") from error
    finally:
        threading.excepthook = excepthook
        if not is_helper():
            # Of a directory that is lost the error has told.
            with contextlib.suppress(OSError, ConfigError):
                run.end(status, checkpoints.saved_step, checkpoints.costs, reason)
                for logger in loggers:
                    close(logger)


def _how_to_go_on(run: Run, checkpoints: Checkpoints) -> str:
    return f"{_saved(checkpoints)}; go on with: rnnlab-train {quote(f'resume={run.path}')}"


def _saved(checkpoints: Checkpoints) -> str:
    step = checkpoints.saved_step
    return f"saved at update {step}" if step else "nothing saved yet"


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


def _take_weights(experiment: Experiment, path: str) -> None:
    """Begin with the best weights of another run."""
    other = Run.load(path, "init_from")
    try:
        experiment.load_weights(other.file(f"checkpoints/{checkpoint.BEST}"))
    except ConfigError as error:
        raise ConfigError(f"init_from: {error}") from error
    experiment.model.train()


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


def validation_metrics(experiment: Experiment) -> list[str]:
    """Name what validation will log; a tiny batch tells."""
    size, task = min(2, experiment.cfg.data.batch_size), experiment.task
    if task.num_batches("val", experiment.cfg.data.batch_size) is not None:
        size = experiment.cfg.data.batch_size
    scores = evaluate(experiment.model, task, [task.sample("val", 0, size)]).compute()
    return [f"val/{name}" for name in scores]


def _check_monitor(experiment: Experiment) -> None:
    """Refuse to monitor what validation won't log."""
    names = validation_metrics(experiment)
    if experiment.cfg.monitor not in names:
        raise ConfigError(
            f"monitor must be one of {', '.join(names)}, got {experiment.cfg.monitor}"
        )
