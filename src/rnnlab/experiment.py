"""An experiment, read top to bottom: assemble, train, choose the best, score, write down."""

import logging
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import lightning.pytorch as L
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers.logger import Logger
from omegaconf import DictConfig, OmegaConf

from rnnlab.callbacks import Progress, Showcase, Telemetry
from rnnlab.config import build, check, target
from rnnlab.csv_log import CSVLog
from rnnlab.data import Data, HeldOutLoader, OneBatch, TrainLoader
from rnnlab.errors import TERMINATED, ConfigError
from rnnlab.evaluation import evaluate
from rnnlab.exhibits import exhibits
from rnnlab.loggers import Events, close, flat_settings, service
from rnnlab.models.base import Model
from rnnlab.module import SequenceModule
from rnnlab.run import Run
from rnnlab.spec import Batch, Split
from rnnlab.tasks.base import Task
from rnnlab.timings import timings
from rnnlab.trainer import Training

_WEIGHTS, _TRAINING = 4, 5  # beside the splits' 0, 1, 2 and the shuffle's 3 in seeds


@dataclass(frozen=True)
class Experiment:
    """A config and the objects that it describes."""

    cfg: DictConfig
    task: Task
    model: Model
    data: Data
    training: Training

    @classmethod
    def assemble(cls, cfg: DictConfig) -> "Experiment":
        """Check a config whole, then build what it describes.

        Raises:
            ConfigError: with every problem that can be seen before building, or the first that
                a constructor finds.
        """
        check(cfg)
        torch.set_num_threads(cfg.threads)
        training: Training = build("trainer", cfg.trainer)
        task: Task = build("task", cfg.task, target(cfg.model).layout, cfg.seed)
        data: Data = build("data", cfg.data, task)
        _seed(cfg.seed, _WEIGHTS)
        model: Model = build("model", cfg.model, task.spec)
        return cls(cfg, task, model, data, training)

    @property
    def num_parameters(self) -> int:
        """Count what is trained."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad)

    def batches(self, split: Split, *, rank: int = 0, world_size: int = 1) -> Iterable[Batch]:
        """Give the held-out batches of a split; under `overfit` the one that is learnt."""
        if self.training.overfit:
            return OneBatch(self.data, rank=rank, world_size=world_size)
        return HeldOutLoader(self.data, split, rank=rank, world_size=world_size)

    def load_weights(self, path: Path) -> None:
        """Take the weights of a checkpoint, in float32 whatever they were trained in.

        Raises:
            ConfigError: it is missing, can't be read, or doesn't fit the model.
        """
        if not path.is_file():
            raise ConfigError(f"{path} is missing: the run has no such checkpoint")
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
        except Exception as error:
            # torch raises whatever its unpickler met; each means that the file is no checkpoint.
            raise ConfigError(f"{path} can't be read as a checkpoint: {error}") from error
        weights = {name.removeprefix("model."): value for name, value in state.items()}
        self.model.float()
        try:
            self.model.load_state_dict(weights)
        except RuntimeError as error:
            raise ConfigError(
                f"the settings don't fit the weights in {path}: {_first_line(error)}"
            ) from error
        self.model.eval()


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
    _seed(cfg.seed, _TRAINING, trainer.global_rank)
    try:
        _fit(trainer, module, experiment)
        costs = {
            "seconds": time.perf_counter() - began,
            "cpu_seconds": time.process_time() - cpu_began,
        }
        if trainer.is_global_zero:
            experiment.load_weights(run.path / "checkpoints" / "best.ckpt")
            _finish(run, experiment, trainer, costs)
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


def _finish(
    run: Run,
    experiment: Experiment,
    trainer: L.Trainer,
    costs: dict[str, float],
) -> None:
    """Score the best weights on validation and test data, and write everything down."""
    val, test = (
        evaluate(experiment.model, experiment.task, experiment.batches(split))
        for split in ("val", "test")
    )
    steps = trainer.global_step
    results = {
        "task": experiment.cfg.choices["task"],
        "model": experiment.cfg.choices["model"],
        "train": _last(run, "train/"),
        "val": val.compute(),
        "test": test.compute(),
        "floor": dict(experiment.task.floor),
        "breakdown": test.breakdown(),
        "parameters": experiment.num_parameters,
        "steps": steps,
        "best_step": _step_of(run.path / "checkpoints" / "best.ckpt"),
        "sequences": steps * experiment.cfg.data.batch_size * experiment.training.accumulate,
        **{name: round(value, 3) for name, value in costs.items()},
    }
    run.write_json("results.json", results)
    scores = {f"test/{name}": value for name, value in results["test"].items()}
    for logger in trainer.loggers:
        if isinstance(logger, Events):
            _write_samples(run, experiment, logger, steps)
            logger.log_settings(experiment.cfg, scores)
        if not isinstance(logger, CSVLog):  # a curve of training
            logger.log_metrics(scores, step=steps)
    if experiment.training.profile:
        durations = trainer.profiler.recorded_durations  # type: ignore[attr-defined]
        lines = timings(durations, costs["seconds"])
        (run.path / "profile.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _close(trainer, run, "finished")


def _write_samples(run: Run, experiment: Experiment, events: Events, step: int) -> None:
    """Write what the task shows of the first test batch: texts in one file, pictures as such."""
    batch = next(iter(experiment.batches("test")))
    texts = []
    for name, thing in exhibits(experiment.model, experiment.task, batch).items():
        events.show(f"test/{name}", thing, step)
        if isinstance(thing, str):
            texts.append(f"## {name}\n\n```\n{thing}\n```\n")
        else:
            (run.path / "figures").mkdir(exist_ok=True)
            thing.save(run.path / "figures" / f"{name}.png")
            texts.append(f"## {name}\n\n![{name}](figures/{name}.png)\n")
    (run.path / "samples.md").write_text("\n".join(texts), encoding="utf-8")


def _last(run: Run, prefix: str) -> dict[str, float]:
    """Give the last training scalars by their plain names."""
    rows = [row for row in run.curve if any(name.startswith(prefix) for name in row)]
    return {
        name.removeprefix(prefix): value
        for name, value in (rows[-1] if rows else {}).items()
        if name.startswith(prefix)
    }


def _step_of(checkpoint: Path) -> int:
    return int(torch.load(checkpoint, map_location="cpu", weights_only=True)["global_step"])


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


def _seed(seed: int, purpose: int, rank: int = 0) -> None:
    """Seed torch for one purpose; numpy mixes the numbers, for torch keeps 32 bits of a seed."""
    torch.manual_seed(int(np.random.SeedSequence([seed, purpose, rank]).generate_state(1)[0]))


def _anchored(cfg: DictConfig) -> DictConfig:
    """Say where a file is from the root on, so that the run can be used from anywhere."""
    path = OmegaConf.select(cfg, "task.path")
    if isinstance(path, str):
        cfg = cfg.copy()
        cfg.task.path = str(Path(path).expanduser().absolute())
    return cfg


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[1] if len(lines) > 1 else lines[0]
