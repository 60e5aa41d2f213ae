"""Training, from a config to a run directory: build, check, fit, score the best weights, write."""

import contextlib
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from types import MappingProxyType

import lightning.pytorch as L
from lightning.pytorch.loggers.logger import Logger
from omegaconf import DictConfig
from torch import distributed

from rnnlab.errors import ConfigError, Diverged, RunLost
from rnnlab.experiment.data import TrainLoader
from rnnlab.experiment.experiment import Experiment
from rnnlab.files import checkpoint
from rnnlab.process import output
from rnnlab.process.arithmetic import set_arithmetic
from rnnlab.process.global_state import global_state_restored
from rnnlab.process.rank import is_launched_rank, launching_ranks
from rnnlab.random_streams import seed_globals
from rnnlab.runs.loggers import close, flat_settings
from rnnlab.runs.metrics_csv import CSVLog
from rnnlab.runs.named_files import with_file_hashes
from rnnlab.runs.run import Run
from rnnlab.runs.tensorboard import Events
from rnnlab.training.callbacks import (
    Checkpoints,
    DivergenceCheck,
    Progress,
    Pruning,
    Showcase,
    SignalHandling,
    Telemetry,
    Watch,
)
from rnnlab.training.callbacks.watch import default_period
from rnnlab.training.epoch_loop import use_short_loop
from rnnlab.training.file_logger import FileLogger
from rnnlab.training.module import SequenceModule
from rnnlab.training.prepare import Prepared, facts, prepare, print_advice, print_warnings
from rnnlab.training.results import final_scores, metrics_on_test, write_results
from rnnlab.training.resume_point import (
    START,
    ResumePoint,
    check_changes,
    find_resume_point,
    resume_config,
)
from rnnlab.training.stopping import Pruned, Pruner, Stopped, StopSignals, saved_at
from rnnlab.training.timings import timings


def train(
    cfg: DictConfig,
    directory: Path | None = None,
    overrides: Mapping[str, str] = MappingProxyType({}),
    pruner: Pruner | None = None,
) -> Run:
    """Train a new run.

    A process trains one run at a time: a second thread waits. Random generators, threads and other
    global state of the process are restored afterwards.

    Args:
        cfg: the whole config.
        directory: the run directory; `None` names one by task, model and time.
        overrides: the overrides on the command line, key -> value, to be recorded in `run.json`.
        pruner: decides after each validation whether to stop the run, which then ends as `pruned`.

    Raises:
        ConfigError: the config is invalid; nothing was written.
        Interrupted: training was stopped by a signal; the run can be resumed.
        Diverged: the loss or its gradient is not finite.
        RunLost: the run directory can't be written any more.
    """
    with global_state_restored():
        cfg = with_file_hashes(cfg)
        prepared = prepare(cfg)
        run = Run.create(cfg, directory, overrides)
        with output.guarded(), run.locked():
            _train(run, prepared, START, pruner)
    return run


def resume(run: Run, overrides: list[str], pruner: Pruner | None = None) -> Run:
    """Resume a run from its last checkpoint, as if it had never stopped.

    A finished run is resumed if its budget is larger now; otherwise nothing is done.

    Args:
        run: the run.
        overrides: `key=value` of settings that may change, above all budgets.
        pruner: as for `train`.

    Raises:
        ConfigError: the run can't be resumed with these settings; nothing was changed.
        Interrupted: as for `train`, and so are the others.
    """
    with global_state_restored(), output.guarded(), run.locked():
        cfg = with_file_hashes(resume_config(run, overrides))
        point = find_resume_point(run)
        check_changes(cfg, point)
        if cfg == run.config and run.is_finished:
            return run
        prepared = prepare(cfg, point)
        experiment = prepared.experiment
        run.check_fingerprint(experiment.task)
        total = experiment.training.total_steps(experiment.data.train_rows)
        if total < point.step:
            raise ConfigError(
                f"trainer.max_steps must be {point.step} or more, the updates done, got {total}"
            )
        run.reopen(cfg)
        _train(run, prepared, point, pruner)
    return Run(run.path)  # without the properties cached before


def _train(run: Run, prepared: Prepared, point: ResumePoint, pruner: Pruner | None) -> None:
    experiment, external_logger = prepared.experiment, prepared.external_logger
    if not is_launched_rank():
        print_warnings(experiment)
        if point is START:
            print_advice(experiment)
    cfg, began = experiment.cfg, time.perf_counter()
    set_arithmetic(cfg)
    signals, divergence = StopSignals(), DivergenceCheck(experiment.training.log_every)
    checkpoints = Checkpoints(run.path / "checkpoints", experiment, divergence, signals)
    loggers: list[Logger] = [external_logger] if external_logger else []
    with _end_recorded(run, checkpoints, signals, loggers):
        events = Events(run.path, point.step, experiment.task.higher_is_better, point.records)
        curve = CSVLog(run.file("metrics.csv"), point.rows)
        loggers += [FileLogger(events), FileLogger(curve)]
        callbacks = [divergence, Telemetry(experiment.training), Progress(cfg.monitor)]
        if cfg.watch != "none":
            every = cfg.watch_every or default_period(experiment.training.max_steps)
            callbacks += [Showcase(), Watch(every, full=cfg.watch == "full")]
        pruning = [Pruning(pruner, run.path.name)] if pruner else []
        callbacks += [checkpoints, SignalHandling(signals), *pruning]
        # Last, as what they do at the start of an update must come after the checkpoint there.
        callbacks += prepared.callbacks
        trainer = experiment.training.build(
            run.path, experiment.data.train_rows, callbacks, loggers
        )
        use_short_loop(trainer)
        if trainer.is_global_zero:
            device = str(trainer.strategy.root_device)
            run.begin(point.step, facts(experiment, device), experiment.task.symbols)
            if external_logger:
                external_logger.log_hyperparams(flat_settings(cfg))
        on_device = experiment.training.accelerator != "cpu"
        seed_globals(cfg.seed, "training", trainer.global_rank, devices=on_device)
        module = SequenceModule(
            experiment.model,
            experiment.task,
            make_optimizer=prepared.make_optimizer,
            make_scheduler=prepared.make_scheduler,
            monitor=cfg.monitor,
            mode=experiment.mode,
            log_every=experiment.training.log_every,
        )
        _fit(run, trainer, module, experiment, point)
        if pruning and pruning[0].pruned:
            raise Pruned
        if trainer.is_global_zero:
            experiment.load_weights(run.file(f"checkpoints/{checkpoint.BEST}"))
            scores = final_scores(experiment)
            write_results(run, experiment, scores, trainer.global_step, events)
            if external_logger:
                external_logger.log_metrics(metrics_on_test(scores), step=trainer.global_step)
            if experiment.training.profile:
                durations = trainer.profiler.recorded_durations  # type: ignore[attr-defined]
                lines = timings(durations, time.perf_counter() - began)
                run.file("profile.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _fit(
    run: Run,
    trainer: L.Trainer,
    module: SequenceModule,
    experiment: Experiment,
    point: ResumePoint,
) -> None:
    training = experiment.training
    rank, world_size = trainer.global_rank, trainer.world_size
    loader = TrainLoader(
        experiment.data,
        start=point.step * training.accumulate,
        every=training.val_every * training.accumulate,
        total=trainer.max_steps * training.accumulate,
        accumulate=training.accumulate,
        rank=rank,
        world_size=world_size,
        repeat=training.overfit,
    )
    held_out = experiment.batches("val", rank=rank, world_size=world_size)
    with warnings.catch_warnings():
        # Lightning 2.6 uses an interface of torch's pytree that torch 2.13 deprecates.
        warnings.filterwarnings("ignore", ".*LeafSpec.*is deprecated")
        # A run that was stopped after its last update has only its scores to write.
        warnings.filterwarnings("ignore", "Total length of .* across ranks is zero")
        # Lightning advises `srun` wherever it is installed, also to one process.
        warnings.filterwarnings("ignore", "The `srun` command is available")
        try:
            with launching_ranks(run.path):
                trainer.fit(module, loader, held_out, ckpt_path=point.file)
        except Exception as error:
            if point.file is None or module.started:
                raise
            # The checksum is right, so the content was made on purpose: any error may follow.
            raise ConfigError(f"{point.file} holds something else: {error}") from error
    if world_size > 1:
        distributed.destroy_process_group()  # rank 0 alone does the rest


@contextmanager
def _end_recorded(
    run: Run, checkpoints: Checkpoints, signals: StopSignals, loggers: list[Logger]
) -> Iterator[None]:
    """Record in `run.json` how training ended, and add to its error what was saved."""
    status, reason = "failed", ""
    try:
        yield
        status = "finished"
    except Pruned:
        status = "pruned"
    except Diverged as error:
        status, reason = "diverged", str(error)
        raise Diverged(f"{error}; {saved_at(checkpoints.saved_step)} in {run.path}") from error
    except (Stopped, KeyboardInterrupt, SystemExit) as error:
        status = "interrupted"
        raise signals.interrupted(error, _how_to_resume(run, checkpoints)) from error
    except OSError as error:
        if not run.path.is_dir():
            raise RunLost(f"the run directory {run.path} is gone: training stopped") from error
        raise RunLost(f"{error}: training stopped, {_how_to_resume(run, checkpoints)}") from error
    finally:
        if not is_launched_rank():
            # If the directory is lost, `RunLost` says so.
            with contextlib.suppress(OSError, ConfigError):
                run.end(status, checkpoints.saved_step, checkpoints.time_spent, reason)
                for logger in loggers:
                    close(logger)


def _how_to_resume(run: Run, checkpoints: Checkpoints) -> str:
    command = f"rnnlab-train {quote(f'resume={run.path}')}"
    return f"{saved_at(checkpoints.saved_step)}; go on with: {command}"
