"""Lightning's loop over the batches of an epoch, without what no part of a run asks for."""

import inspect
from collections.abc import Callable
from typing import Any

import lightning
import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.plugins.precision import MixedPrecision
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch.optim import Optimizer

from rnnlab.training.optimizers import plain_step
from rnnlab.training.prepared_losses import PreparedLosses
from rnnlab.training.recorded_steps import DEVICES, RecordedSteps

_KNOWN = ("2.5.", "2.6.")
"""Versions of Lightning whose loop this one was compared with, counter by counter."""


def use_short_loop(trainer: L.Trainer) -> None:
    """Replace the loop over batches by `EpochLoop` if the version of Lightning is a known one."""
    if lightning.__version__.startswith(_KNOWN):
        whole = trainer.fit_loop.epoch_loop
        trainer.fit_loop.epoch_loop = EpochLoop(trainer, whole.min_steps, whole.max_steps)


class EpochLoop(_TrainingEpochLoop):
    """The loop over batches; for most runs it does what Lightning's does in a fifth of the time.

    Lightning's takes 0.4 to 0.6 ms an update: it opens fifty profiler contexts, calls every hook of
    every callback, also the empty ones, and asks the results of `self.log` for news. Here an update
    is what one would write by hand: the callbacks that have something to do at its start, the loss,
    its gradient, clipping, the steps of optimizer and scheduler, the callbacks at its end. All
    counters are Lightning's, so that validation, checkpoints and budgets see no difference.

    Lightning's own loop runs what `_can_be_short` excludes: several devices or batches per update,
    a gradient scaler, an optimizer that calls a closure, a profiler, and callbacks of other people,
    which may use any hook.
    """

    _short: bool | None = None

    def on_run_start(self, data_fetcher: Any) -> None:
        """Find out whether the short way may be taken, before the first batch."""
        super().on_run_start(data_fetcher)
        if self._short is None:
            self._short = _can_be_short(self.trainer)
            if self._short:
                self._prepare()

    @property
    def global_step(self) -> int:
        """Updates done."""
        return self.automatic_optimization.optim_progress.optimizer.step.total.completed

    def advance(self, data_fetcher: Any) -> None:
        """Train on one batch."""
        if not self._short or self.restarting:
            super().advance(data_fetcher)
            return
        trainer, module, progress = self.trainer, self._module, self.batch_progress
        batch, _, _ = next(data_fetcher)
        index = progress.current.ready
        progress.is_last_batch = data_fetcher.done
        batch = self._to_device(batch)
        progress.increment_ready()
        for begin in self._at_start:
            begin(trainer, module, batch, index)
        progress.increment_started()
        outputs = self._update(batch, index)
        progress.increment_processed()
        self._step_schedulers()
        for end in self._at_end:
            end(trainer, module, outputs, batch, index)
        module.on_train_batch_end(outputs, batch, index)
        progress.increment_completed()

    def on_advance_end(self, data_fetcher: Any) -> None:
        """Validate at the end of an epoch, and if training should stop."""
        trainer = self.trainer
        if self._short and not (
            self.batch_progress.is_last_batch or trainer.should_stop or trainer.received_sigterm
        ):
            self._batches_that_stepped += 1
        else:
            super().on_advance_end(data_fetcher)

    def _prepare(self) -> None:
        trainer, module = self.trainer, self.trainer.lightning_module
        self._module = module
        self._optimizer: Optimizer = trainer.optimizers[0]
        self._step = plain_step(self._optimizer)
        self._parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
        self._precision = trainer.precision_plugin
        if module.device.type in DEVICES:
            module.recorded = RecordedSteps(module)
        else:
            module.learn = PreparedLosses()
        self._at_start = _hooks(trainer, "on_train_batch_start")
        self._at_end = _hooks(trainer, "on_train_batch_end")
        self._schedulers = [
            config
            for config in trainer.lr_scheduler_configs
            if config.interval == "step" and not config.reduce_on_plateau
        ]
        trainer._logger_connector._first_loop_iter = False  # as after a batch

    def _to_device(self, batch: Any) -> Any:
        batch = self._precision.convert_input(batch)
        return self._module.transfer_batch_to_device(batch, self.trainer.strategy.root_device, 0)

    def _update(self, batch: Any, index: int) -> dict[str, Any]:
        """Compute the loss and its gradient, and let the optimizer take a step."""
        module, steps = self._module, self.automatic_optimization.optim_progress.optimizer.step
        steps.increment_ready()
        for parameter in self._parameters:
            parameter.grad = None
        with torch.enable_grad(), self._precision.train_step_context():
            outputs = module.training_step(batch, index)
        if outputs["loss"].requires_grad:  # else it has left its gradient to the parameters
            outputs["loss"].backward()
            outputs["loss"] = outputs["loss"].detach()
        module.configure_gradient_clipping(self._optimizer, self.trainer.gradient_clip_val)
        self._step()
        steps.increment_completed()
        return outputs

    def _step_schedulers(self) -> None:
        for config in self._schedulers:
            self.scheduler_progress.increment_ready()
            config.scheduler.step()
            self.scheduler_progress.increment_completed()


def _hooks(trainer: Any, name: str) -> list[Callable[..., None]]:
    """Return the methods of callbacks that override a hook, in the order of the callbacks."""
    empty = getattr(L.Callback, name)
    return [
        getattr(callback, name)
        for callback in trainer.callbacks
        if getattr(type(callback), name) is not empty
    ]


def _can_be_short(trainer: Any) -> bool:
    """Whether a run needs nothing of Lightning's loop that `EpochLoop` leaves out."""
    precision, module = trainer.precision_plugin, trainer.lightning_module
    ours = (type(module).__module__, *(type(c).__module__ for c in trainer.callbacks))
    timer = Timer.__module__
    step = type(trainer.optimizers[0]).step
    return (
        isinstance(trainer.strategy, SingleDeviceStrategy)
        and trainer.accumulate_grad_batches == 1
        and not (isinstance(precision, MixedPrecision) and precision.scaler is not None)
        and isinstance(trainer.profiler, PassThroughProfiler)
        and inspect.signature(step).parameters["closure"].default is None
        and len(trainer.optimizers) == 1
        and all(name == timer or name.partition(".")[0] == "rnnlab" for name in ours)
        and not _other_hooks(trainer)
    )


def _other_hooks(trainer: Any) -> bool:
    """Whether a callback wants to be called within an update."""
    names = (
        "on_before_backward",
        "on_after_backward",
        "on_before_zero_grad",
        "on_before_optimizer_step",
    )
    return any(_hooks(trainer, name) for name in names)
