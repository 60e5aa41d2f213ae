"""Training, read top to bottom: assemble, refuse what can't be, fit, choose the best, write."""

import contextlib
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from types import MappingProxyType

import lightning.pytorch as L
import torch
from lightning.pytorch.loggers.logger import Logger
from omegaconf import DictConfig
from torch import distributed

from rnnlab.errors import (
    INTERRUPTED,
    TERMINATED,
    ConfigError,
    Diverged,
    Interrupted,
    RunLost,
)
from rnnlab.experiment.data import TrainLoader
from rnnlab.experiment.experiment import Experiment
from rnnlab.files import checkpoint
from rnnlab.process import output
from rnnlab.process.borrowed import borrowed
from rnnlab.process.rank import is_helper, starting_helpers
from rnnlab.random_streams import seed_globals
from rnnlab.runs.loggers import Events, close, flat_settings
from rnnlab.runs.metrics_csv import CSVLog
from rnnlab.runs.named_files import anchored
from rnnlab.runs.run import Run
from rnnlab.training import resume as resuming
from rnnlab.training.callbacks import (
    Checkpoints,
    Finite,
    Listening,
    Progress,
    Pruning,
    Showcase,
    Telemetry,
    Watch,
)
from rnnlab.training.file_logger import FileLogger
from rnnlab.training.module import SequenceModule
from rnnlab.training.prepare import Prepared, facts, prepare, warn
from rnnlab.training.results import final_scores, on_test, write_outcome
from rnnlab.training.stopping import Judge, Pruned, Signals, Stopped
from rnnlab.training.timings import timings


def train(
    cfg: DictConfig,
    place: Path | None = None,
    words: Mapping[str, str] = MappingProxyType({}),
    judge: Judge | None = None,
) -> Run:
    """Run a whole experiment, and give its directory.

    A process trains one run at a time: another thread that calls this waits. What training changes
    of the process is given back.

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
    with borrowed():
        cfg = anchored(cfg)
        prepared = prepare(cfg)
        run = Run.create(cfg, place, words)
        with output.guarded(), run.locked():
            _train(run, prepared, resuming.BEGINNING, judge)
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
    with borrowed(), output.guarded(), run.locked():
        cfg = anchored(resuming.settings(run, words))
        at = resuming.point(run)
        resuming.check_changes(cfg, at)
        if cfg == run.config and run.is_finished:
            return run
        prepared = prepare(cfg, at)
        experiment = prepared.experiment
        run.check_fingerprint(experiment.task)
        total = experiment.training.total_steps(experiment.data.train_rows)
        if total < at.step:
            raise ConfigError(
                f"trainer.max_steps must be {at.step} or more, the updates done, got {total}"
            )
        run.reopen(cfg)
        _train(run, prepared, at, judge)
    return Run(run.path)  # not with what was read of it before


def _train(run: Run, prepared: Prepared, at: resuming.Point, judge: Judge | None) -> None:
    experiment, extra = prepared.experiment, prepared.service
    if not is_helper():
        warn(experiment)
    cfg, began = experiment.cfg, time.perf_counter()
    torch.set_num_threads(cfg.threads)
    signals, finite = Signals(), Finite(experiment.training.log_every)
    checkpoints = Checkpoints(run.path / "checkpoints", experiment, finite, signals)
    loggers: list[Logger] = [extra] if extra else []
    with _written_down(run, checkpoints, signals, loggers):
        events = Events(run.path, at.step, experiment.task.higher_is_better, at.records)
        curve = CSVLog(run.file("metrics.csv"), at.rows)
        loggers += [FileLogger(events), FileLogger(curve)]
        callbacks = [finite, Telemetry(experiment.training), Progress(cfg.monitor)]
        if cfg.watch != "none":
            callbacks += [Showcase(), Watch(cfg.watch_every, full=cfg.watch == "full")]
        pruning = [Pruning(judge, run.path.name)] if judge else []
        callbacks += [checkpoints, Listening(signals), *pruning]
        trainer = experiment.training.build(
            run.path, experiment.data.train_rows, callbacks, loggers
        )
        if trainer.is_global_zero:
            device = str(trainer.strategy.root_device)
            run.begin(at.step, facts(experiment, device), experiment.task.meanings())
            if extra:
                extra.log_hyperparams(flat_settings(cfg))
        on_device = experiment.training.accelerator != "cpu"
        seed_globals(cfg.seed, "training", trainer.global_rank, devices=on_device)
        module = SequenceModule(
            experiment.model,
            experiment.task,
            make_optimizer=prepared.make_optimizer,
            make_scheduler=prepared.make_scheduler,
            monitor=cfg.monitor,
            mode=experiment.mode,
        )
        _fit(run, trainer, module, experiment, at)
        if pruning and pruning[0].pruned:
            raise Pruned
        if trainer.is_global_zero:
            experiment.load_weights(run.file(f"checkpoints/{checkpoint.BEST}"))
            scores = final_scores(experiment)
            write_outcome(run, experiment, scores, trainer.global_step, events)
            if extra:
                extra.log_metrics(on_test(scores), step=trainer.global_step)
            if experiment.training.profile:
                durations = trainer.profiler.recorded_durations  # type: ignore[attr-defined]
                lines = timings(durations, time.perf_counter() - began)
                run.file("profile.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _fit(
    run: Run,
    trainer: L.Trainer,
    module: SequenceModule,
    experiment: Experiment,
    at: resuming.Point,
) -> None:
    training = experiment.training
    rank, world_size = trainer.global_rank, trainer.world_size
    loader = TrainLoader(
        experiment.data,
        start=at.step * training.accumulate,
        every=training.val_every * training.accumulate,
        total=trainer.max_steps * training.accumulate,
        accumulate=training.accumulate,
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
        # Lightning advises `srun` wherever it is installed, also to one process.
        warnings.filterwarnings("ignore", "The `srun` command is available")
        try:
            with starting_helpers(run.path):
                trainer.fit(module, loader, held_out, ckpt_path=at.file)
        except Exception as error:
            if at.file is None or module.started:
                raise
            # Its checksum is right, so somebody made it so: any error may come of that.
            raise ConfigError(f"{at.file} holds something else: {error}") from error
    if world_size > 1:
        distributed.destroy_process_group()  # what follows is done alone


@contextmanager
def _written_down(
    run: Run, checkpoints: Checkpoints, signals: Signals, loggers: list[Logger]
) -> Iterator[None]:
    """Say how training ended: in the run card, and in the error."""
    status, reason = "failed", ""
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
