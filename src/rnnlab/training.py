"""Training, read top to bottom: assemble, refuse what can't be, fit, choose the best, write."""

import logging
import time
import warnings
from datetime import datetime
from pathlib import Path

import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers.logger import Logger
from omegaconf import DictConfig, OmegaConf

from rnnlab.callbacks import Progress, Showcase, Telemetry
from rnnlab.config import build
from rnnlab.csv_log import CSVLog
from rnnlab.data import TrainLoader
from rnnlab.errors import TERMINATED, ConfigError
from rnnlab.evaluation import evaluate
from rnnlab.experiment import Experiment
from rnnlab.loggers import Events, close, flat_settings, service
from rnnlab.module import SequenceModule
from rnnlab.outcome import write_outcome
from rnnlab.randomness import seed_torch
from rnnlab.run import Run


def train(cfg: DictConfig) -> Run:
    """Run a whole experiment, and give its directory.

    Raises:
        ConfigError: before anything is written.
    """
    cfg = _anchored(cfg)
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
    _check_monitor(experiment)
    extra = service(cfg)

    run = Run.create(cfg)
    for name in ("lightning.pytorch", "lightning.fabric"):  # they say what nobody asked
        logging.getLogger(name).setLevel(logging.WARNING)
    loggers = [Events(run.path), CSVLog(run.path / "metrics.csv"), *([extra] if extra else [])]
    trainer = _make_trainer(experiment, run, loggers)
    if trainer.is_global_zero:
        run.write_card(
            {
                "fingerprint": experiment.task.fingerprint(),
                "device": str(trainer.strategy.root_device),
                "parameters": experiment.num_parameters,
            }
        )
        if extra:
            extra.log_hyperparams(flat_settings(cfg))
    began, cpu_began = time.perf_counter(), time.process_time()
    seed_torch(cfg.seed, "training", trainer.global_rank)
    try:
        _fit(trainer, module, experiment)
        costs = {
            "seconds": time.perf_counter() - began,
            "cpu_seconds": time.process_time() - cpu_began,
        }
        if trainer.is_global_zero:
            experiment.load_weights(run.path / "checkpoints" / "best.ckpt")
            write_outcome(run, experiment, trainer, costs)
            _close(trainer, run, "finished")
    except (KeyboardInterrupt, SystemExit) as error:
        _close(trainer, run, "interrupted")
        # Lightning ends with 1 after the first signal and with 0 after the second.
        if trainer.received_sigterm or getattr(error, "code", None) == TERMINATED:
            raise SystemExit(TERMINATED) from error
        raise KeyboardInterrupt(str(run.path)) from error
    except BaseException:
        _close(trainer, run, "failed")
        raise
    return run


def _make_trainer(experiment: Experiment, run: Run, loggers: list[Logger]) -> L.Trainer:
    cfg, training = experiment.cfg, experiment.training
    callbacks: list[L.Callback] = [
        Telemetry(training.log_every, training.accumulate),
        Progress(cfg.monitor),
        Showcase(),
        ModelCheckpoint(
            run.path / "checkpoints",
            filename="best",
            monitor=cfg.monitor,
            mode=cfg.mode,
            auto_insert_metric_name=False,
            enable_version_counter=False,
        ),
        # Not `save_last` above, which saves when there is a new best only.
        ModelCheckpoint(run.path / "checkpoints", filename="last", enable_version_counter=False),
    ]
    if training.patience is not None:
        callbacks.append(EarlyStopping(cfg.monitor, mode=cfg.mode, patience=training.patience))
    return training.build(cfg.data.batch_size, callbacks, loggers)


def _fit(trainer: L.Trainer, module: SequenceModule, experiment: Experiment) -> None:
    training = experiment.training
    rank, world_size = trainer.global_rank, trainer.world_size
    loader = TrainLoader(
        experiment.data,
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
        trainer.fit(module, loader, held_out)


def _close(trainer: L.Trainer, run: Run, status: str) -> None:
    if not trainer.is_global_zero:
        return
    ended = datetime.now().astimezone().isoformat(timespec="seconds")
    run.write_card({"status": status, "ended": ended})
    for logger in trainer.loggers:
        close(logger)


def _check_monitor(experiment: Experiment) -> None:
    """Refuse to monitor what validation won't log; a tiny batch tells the names."""
    index, size = 0, min(2, experiment.cfg.data.batch_size)
    task = experiment.task
    if task.num_batches("val", experiment.cfg.data.batch_size) is not None:
        size = experiment.cfg.data.batch_size
    scores = evaluate(experiment.model, task, [task.sample("val", index, size)]).compute()
    names = [f"val/{name}" for name in scores]
    if experiment.cfg.monitor not in names:
        raise ConfigError(
            f"monitor must be one of {', '.join(names)}, got {experiment.cfg.monitor}"
        )


def _anchored(cfg: DictConfig) -> DictConfig:
    """Say where a file is from the root on, so that the run can be used from anywhere."""
    path = OmegaConf.select(cfg, "task.path")
    if isinstance(path, str):
        cfg = cfg.copy()
        cfg.task.path = str(Path(path).expanduser().absolute())
    return cfg
